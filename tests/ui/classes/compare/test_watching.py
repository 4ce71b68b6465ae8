"""What the strip and the pulse tell of few-shot runs."""

from pathlib import Path

from sparse_peft.runs.events import EventLog
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.panels.history import board as history
from sparse_peft.ui.panels.strip import board as strip
from sparse_peft.ui.watch.following import Follower
from sparse_peft.ui.watch.watching import pulse, strip_of
from tests.ui.boards import drawn, words
from tests.ui.classes.kept_classes import keep, plan_of


def test_accuracies_are_told_by_step_the_newest_attempt_counts(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, 1)
    log.emit("evaluation", step=20, accuracy=0.5, of=60)
    log.emit("evaluation", step=40, accuracy=0.6, of=60)
    follower = Follower(path)
    assert follower.look().accuracies == ((20, 0.5), (40, 0.6))
    log = EventLog(path, 2)
    log.emit("evaluation", step=40, accuracy=0.7, of=60)
    log.emit("evaluation", step=50, accuracy="most", of=60)
    assert follower.look().accuracies == ((20, 0.5), (40, 0.7))


def test_each_draw_has_its_place_on_the_strip(tmp_path: Path) -> None:
    desk, _ = keep(tmp_path, finished=("lora",), methods=("lora", "so"), classes=3, seeds=(1, 2))
    [standing] = strip_of(desk)
    assert [part.label for part in standing.parts] == ["LoRA 1", "LoRA 2", "SO 1", "SO 2"]
    assert "LoRA 1 done" in words(drawn(strip, desk))


def test_one_draw_needs_no_number(tmp_path: Path) -> None:
    desk, _ = keep(tmp_path, finished=(), methods=("lora",), classes=3, seeds=(5,))
    assert [part.label for part in strip_of(desk)[0].parts] == ["LoRA"]


def test_the_middle_of_the_page_moves_with_every_measurement(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, finished=(), methods=("lora",), classes=3, seeds=(1,))
    run = plan_of(desk, comparison).runs[0].run
    with Store(desk.home) as store:
        store.claim("cpu-0")
    before = pulse(desk, {})
    directory = RunDirectory.of(desk.home, run)
    directory.event_log(1).emit("evaluation", step=10, accuracy=0.5, of=60)
    after = pulse(desk, before["versions"])
    assert {"heading", "matrix", "numbers"} <= set(after["moved"])
    with Store(desk.home) as store:
        store.end(run, "finished")
    assert pulse(desk, after["versions"])["said"] == "LoRA finished. No run left."


def test_history_shows_the_classes_and_offers_no_pairing(tmp_path: Path) -> None:
    keep(tmp_path, methods=("lora",), classes=5, seeds=(1,))
    desk, comparison = keep(tmp_path, methods=("lora",), classes=5, seeds=(1,), budget=6144)
    html = drawn(history, desk)
    assert f'data-tick="{comparison}"' not in html
    assert 'alt="apple"' in html
    assert "5 classes, 4 shots, 6,144 values" in words(html)
