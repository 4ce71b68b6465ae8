"""What a run without a report has left: the newest attempt's, and only what is there."""

from pathlib import Path

import pytest

from sparse_peft.runs.events import EventLog
from sparse_peft.runs.run import RunDirectory
from sparse_peft.underway import Underway

ROW = {"prompt": 0, "seed": 0, "subject": 0.5, "prompt_score": 0.5}


def draw(folder: Path, name: str = "samples/step000010/p00-s0.png") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"a picture")
    return name


def told(log: EventLog, number: int, loss: float) -> None:
    log.emit("step", step=number, loss=loss, lr=1e-3, step_ms=1.0)


def test_a_run_that_has_not_begun_has_left_nothing(tmp_path: Path) -> None:
    assert Underway.read(tmp_path / "run") == Underway()


def test_it_is_where_the_newest_attempt_is(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", 1)
    for number in (10, 20, 30):
        told(log, number, 1.0)
    log.emit("checkpoint", step=20)
    log = EventLog(tmp_path / "events.jsonl", 2)
    log.emit("stage", text="Training", done=1, of=3)
    told(log, 30, 0.5)
    found = Underway.read(tmp_path)
    assert (found.step, found.saved, found.stage) == (30, 20, "Training")
    assert found.losses == ((10, 1.0), (20, 1.0), (30, 0.5))


def test_of_a_step_measured_twice_the_newest_accuracy_counts(tmp_path: Path) -> None:
    for attempt, accuracy in ((1, 0.25), (2, 0.75)):
        log = EventLog(tmp_path / "events.jsonl", attempt)
        log.emit("evaluation", step=50 * attempt, accuracy=0.5, of=200)
        log.emit("evaluation", step=100, accuracy=accuracy, of=200)
    for step, accuracy in ((150, 2.0), (160, None), ("170", 0.5)):
        log.emit("evaluation", step=step, accuracy=accuracy, of=200)
    assert Underway.read(tmp_path).evaluations == ((50, 0.5), (100, 0.75))


def test_of_a_picture_drawn_twice_the_newest_scores_count(tmp_path: Path) -> None:
    path = draw(tmp_path)
    for attempt, subject in ((1, 0.25), (2, 0.75)):
        log = EventLog(tmp_path / "events.jsonl", attempt)
        log.emit("sample", step=10, path=path, **ROW | {"subject": subject})
    (row,) = Underway.read(tmp_path).history("so")
    assert row == {**ROW, "step": 10, "path": "samples/so/step000010/p00-s0.png", "subject": 0.75}


def test_rows_stand_by_step_prompt_and_seed(tmp_path: Path) -> None:
    path = draw(tmp_path)
    log = EventLog(tmp_path / "events.jsonl", 1)
    for step, prompt, seed in ((20, 0, 1), (20, 0, 0), (10, 1, 0), (10, 0, 0)):
        at = {"step": step, "prompt": prompt, "seed": seed}
        log.emit("sample", path=path, **ROW | at)
    rows = Underway.read(tmp_path).rows
    assert [(row["step"], row["prompt"], row["seed"]) for row in rows] == [
        (10, 0, 0), (10, 1, 0), (20, 0, 0), (20, 0, 1),
    ]  # fmt: skip


def test_without_a_judge_scores_are_null(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", 1)
    log.emit("sample", step=0, path=draw(tmp_path, "samples/base/p00-s0.png"), prompt=0, seed=0)
    (row,) = Underway.read(tmp_path).samples("base")
    assert row == {
        "prompt": 0, "seed": 0, "path": "samples/base/p00-s0.png",
        "subject": None, "prompt_score": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "samples/step000010/p01-s0.png"},
        {"path": "samples/../secret.png"},
        {"path": "secret.png"},
        {"path": None},
        {"step": "10"},
        {"prompt": None},
    ],
)
def test_what_is_no_picture_of_the_run_is_left_out(tmp_path: Path, changes: dict) -> None:
    draw(tmp_path)
    (tmp_path / "secret.png").write_bytes(b"not a sample")
    log = EventLog(tmp_path / "events.jsonl", 1)
    row = {"step": 10, "path": "samples/step000010/p00-s0.png"} | ROW
    log.emit("sample", **row)
    log.emit("sample", **row | changes)
    assert len(Underway.read(tmp_path).rows) == 1


def test_of_a_discarded_run_nothing_counts(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", 1)
    told(log, 10, 1.0)
    assert Underway.read(tmp_path).step == 10
    RunDirectory(tmp_path).request_cancel("discard")
    assert Underway.read(tmp_path) == Underway()
