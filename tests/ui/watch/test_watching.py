"""What of a person's runs is at work, and a pulse that is cheap."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.runs.events import Event, EventLog, read_events
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.comparisons import naming
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch import following, watching
from sparse_peft.ui.watch import watcher as watcher_of_homes
from sparse_peft.ui.watch.following import Follower
from sparse_peft.ui.watch.watching import pulse, strip_of, watcher
from tests.ui.at_work import begin, end, prepared
from tests.ui.kept import OTHER
from tests.ui.own_desk import own_desk, plan_of, started


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as found:
        yield found


# The strip --------------------------------------------------------------------------------


def test_a_waiting_comparison_knows_how_many_are_before_it(desk: Desk) -> None:
    stranger = Desk(desk.studio, OTHER)
    stranger.folder.mkdir(parents=True)
    (desk.pictures).rename(stranger.pictures)
    stranger.change(**{name: getattr(desk.draft, name) for name in ("pictures", "noun")})
    first, plan = prepared(stranger)
    begin(desk, plan.runs[0].run)
    (stranger.pictures).rename(desk.pictures)
    mine = started(desk)
    (one,) = strip_of(desk)
    assert (one.comparison, one.state, one.ahead) == (mine, "waiting", 3)
    assert one.ahead_seconds is None
    assert [standing.comparison for standing in strip_of(stranger)] == [first]
    assert first not in json.dumps(pulse(desk, {}))


def test_a_stuck_comparison_is_not_waited_for(desk: Desk) -> None:
    first = started(desk)
    begin(desk, plan_of(desk, first).prepare)
    end(desk, plan_of(desk, first).prepare, "interrupted")
    started(desk, seed=7)
    stuck, waiting = strip_of(desk)
    assert (stuck.state, waiting.state, waiting.ahead) == ("interrupted", "waiting", 0)


def test_the_strip_says_what_each_run_is_at(desk: Desk) -> None:
    comparison, plan = prepared(desk, steps=50, methods=("lora", "waveft", "so"))
    log = begin(desk, plan.runs[0].run)
    log.emit("stage", text="Training", done=1, of=3)
    for step in range(1, 32):
        log.emit("step", step=step, loss=0.5, step_ms=1000.0)
    (one,) = strip_of(desk)
    assert [part.label for part in one.parts] == ["LoRA", "WaveFT", "SO"]
    assert [part.percent for part in one.parts] == [62, 0, 0]
    assert [part.live.state for part in one.parts] == ["running", "queued", "queued"]
    assert one.seconds_left is not None
    assert one.seconds_left >= 19 + 2 * 50
    RunDirectory.of(desk.home, plan.runs[0].run).request_cancel("keep")
    assert strip_of(desk)[0].parts[0].live.stopping
    for run in plan.runs:
        end(desk, run.run)
    assert strip_of(desk) == []
    assert watcher(desk.home).runs(comparison)[plan.runs[0].run].losses[-1] == (31, 0.5)


def test_repeated_trainings_are_told_apart(desk: Desk) -> None:
    prepared(desk, train_seeds=2, methods=("lora", "so"))
    assert [part.label for part in strip_of(desk)[0].parts] == ["LoRA", "SO", "LoRA 2", "SO 2"]


# The pulse --------------------------------------------------------------------------------


def test_nothing_moves_while_nothing_happens(desk: Desk) -> None:
    comparison = started(desk)
    opened = Desk(desk.studio, desk.owner, comparison)
    first = pulse(opened, {})
    assert first["busy"]
    assert set(first["moved"]) == set(watching.PANELS)
    second = pulse(opened, first["versions"])
    assert (second["moved"], second["said"]) == ([], "")
    json.dumps(second)


def test_only_what_has_changed_moves(desk: Desk) -> None:
    comparison, plan = prepared(desk, steps=200)
    log = begin(desk, plan.runs[0].run)
    opened = Desk(desk.studio, desk.owner, comparison)

    def moved() -> list[str]:
        now = pulse(opened, seen)
        seen.update(now["versions"])
        return list(now["moved"])

    seen: dict[str, str] = {}
    moved()
    log.emit("step", step=1, loss=1.0)
    assert moved() == []
    log.emit("step", step=2, loss=1.0)  # the first percent
    assert moved() == ["strip"]
    log.emit("step", step=26, loss=1.0)
    assert moved() == ["strip", "heading", "numbers"]
    log.emit("sample", step=26, prompt=0, seed=0, path="samples/step000026/p00-s0.png")
    assert moved() == ["heading", "matrix", "numbers"]
    naming.write(desk.home, comparison, "Felix")
    assert moved() == ["heading", "history"]
    end(desk, plan.runs[0].run)
    assert moved() == list(watching.PANELS)


def test_another_person_s_runs_move_nothing(desk: Desk) -> None:
    comparison, plan = prepared(desk)
    stranger = Desk(desk.studio, OTHER, comparison)
    before = pulse(stranger, {})
    assert before["versions"]["runs"] == ""
    assert not before["busy"]
    log = begin(desk, plan.runs[0].run)
    log.emit("sample", step=1, prompt=0, seed=0, path="x")
    assert pulse(stranger, before["versions"])["moved"] == []
    assert pulse(stranger, {"runs": f"{plan.runs[0].run}:queued"})["said"] == ""


def test_what_became_of_runs_is_said_in_sentences(desk: Desk) -> None:
    comparison = started(desk, methods=("lora", "waveft", "so"))
    plan = plan_of(desk, comparison)
    lora, waveft, so = (run.run for run in plan.runs)

    def said() -> str:
        now = pulse(desk, seen)
        seen.update(now["versions"])
        return str(now["said"])

    seen: dict[str, str] = {}
    assert said() == ""
    begin(desk, plan.prepare)
    assert said() == ""
    end(desk, plan.prepare)
    begin(desk, lora)
    assert said() == "The base's pictures are drawn. LoRA started."
    begin(desk, waveft)
    end(desk, waveft)
    assert said() == "WaveFT finished. 2 runs left."
    end(desk, lora, "failed", "The loss became infinite.")
    assert said() == "LoRA stopped: The loss became infinite. 1 run left."
    end(desk, so, "cancelled")
    assert said() == "SO stopped. No run left."


def test_a_failed_shared_run_is_told_once(desk: Desk) -> None:
    plan = plan_of(desk, started(desk))
    seen = pulse(desk, {})["versions"]
    begin(desk, plan.prepare)
    end(desk, plan.prepare, "failed", "The disk is full.")
    assert pulse(desk, seen)["said"] == "Stopped: The disk is full."


@pytest.mark.parametrize("runs", [":", "x", ",,,", "a:b:c,:d", "%s:queued"])
def test_a_hostile_memory_says_nothing(desk: Desk, runs: str) -> None:
    started(desk)
    assert pulse(Desk(desk.studio, desk.owner, "../.."), {"runs": runs})["said"] == ""


def test_a_pulse_reads_only_what_is_new(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, runs, logs = trained(desk, steps=50)
    read: list[tuple[Path, int, int]] = []
    stores: list[Path] = []

    def counted(path: Path, offset: int) -> tuple[list[Event], int]:
        events, after = read_events(path, offset)
        read.append((path, offset, len(events)))
        return events, after

    class Counted(Store):
        def __init__(self, home: Path) -> None:
            stores.append(home)
            super().__init__(home)

    monkeypatch.setattr(following, "read_events", counted)
    monkeypatch.setattr(watcher_of_homes, "Store", Counted)
    ends = [log.path.stat().st_size for log in logs]
    for log in logs:
        add_step(log.path, 51)
    assert pulse(opened, {})["busy"]
    assert sorted(read) == sorted((log.path, size, 1) for log, size in zip(logs, ends, strict=True))
    assert stores == []
    for run in runs:
        end(desk, run)
    pulse(opened, {})
    time.sleep(0.15)
    pulse(opened, {})  # the last one that opens the store: its clock has settled
    read.clear()
    stores.clear()
    assert not pulse(opened, {})["busy"]
    assert (read, stores) == ([], [])


def test_a_pulse_is_cheap(desk: Desk) -> None:
    """Beside what it costs to read the same logs anew, in one thread's own time."""
    opened, _, logs = trained(desk, steps=1000)
    anew, pulses = [], []
    for step in range(1001, 1009):
        for log in logs:
            add_step(log.path, step)
        began = time.thread_time()
        assert pulse(opened, {})["busy"]
        pulses.append(time.thread_time() - began)
        began = time.thread_time()
        for log in logs:
            Follower(log.path).look()
        anew.append(time.thread_time() - began)
    assert min(pulses) < min(anew) / 8


def trained(desk: Desk, steps: int) -> tuple[Desk, list[str], list[EventLog]]:
    """A comparison that is open, whose runs have told of so many steps and been looked at."""
    comparison, plan = prepared(desk, steps=2 * steps)
    opened = Desk(desk.studio, desk.owner, comparison)
    logs = [begin(desk, run.run) for run in plan.runs]
    for log in logs:
        for step in range(1, steps + 1):
            add_step(log.path, step)
    pulse(opened, {})
    time.sleep(0.15)  # two changes within a tick of the file clock look like one
    pulse(opened, {})
    return opened, [run.run for run in plan.runs], logs


def add_step(path: Path, step: int) -> None:
    event = {"seq": step + 9, "attempt": 1, "kind": "step", "step": step, "loss": 1.0}
    with path.open("a") as file:
        file.write(json.dumps(event | {"step_ms": 100.0}) + "\n")


def test_watching_needs_no_torch() -> None:
    code = "import sys, sparse_peft.ui.watch.watching, sparse_peft.ui.panels.strip.board\n"
    code += "print([name for name in ('torch', 'peft', 'diffusers') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
