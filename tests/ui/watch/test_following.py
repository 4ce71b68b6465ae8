"""The events of one run: each is read once, whatever becomes of the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.runs.events import Event, EventLog, read_events
from sparse_peft.ui.watch.following import MOST_LOSSES, Follower, Told


@pytest.fixture
def events(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "events.jsonl", 1)


def test_a_run_without_events_tells_nothing(tmp_path: Path) -> None:
    assert Follower(tmp_path / "events.jsonl").look() == Told()


def test_events_are_read_on_from_the_last_look(
    events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(events.path)
    events.emit("stage", text="Training", done=1, of=3)
    events.emit("step", step=1, loss=0.5, step_ms=200.0, lr=0.1)
    told = follower.look()
    assert (told.attempt, told.stage, told.done, told.of) == (1, "Training", 1, 3)
    assert (told.step, told.step_seconds, told.losses) == (1, 0.2, ((1, 0.5),))
    size = events.path.stat().st_size
    asked: list[int] = []

    def read(path: Path, offset: int) -> tuple[list[Event], int]:
        asked.append(offset)
        return read_events(path, offset)

    monkeypatch.setattr("sparse_peft.ui.watch.following.read_events", read)
    assert follower.look() is told  # nothing has changed: the file is not even opened
    events.emit("step", step=2, loss=0.4, step_ms=400.0, lr=0.1)
    assert follower.look().losses == ((1, 0.5), (2, 0.4))
    assert asked == [size]


def test_a_torn_line_is_left_for_the_next_look(events: EventLog) -> None:
    follower = Follower(events.path)
    events.emit("step", step=1, loss=0.5)
    whole = json.dumps({"seq": 2, "attempt": 1, "kind": "step", "step": 2, "loss": 0.4}) + "\n"
    with events.path.open("a") as file:
        file.write(whole[:20])
    assert follower.look().step == 1
    with events.path.open("a") as file:
        file.write(whole[20:])
    assert follower.look().step == 2


def test_a_replaced_and_a_shrunk_file_are_read_anew(events: EventLog, tmp_path: Path) -> None:
    follower = Follower(events.path)
    for step in range(1, 9):
        events.emit("step", step=step, loss=1.0)
    assert len(follower.look().losses) == 8
    other = EventLog(tmp_path / "other.jsonl", 1)
    other.emit("step", step=3, loss=2.0)
    for step in range(4, 30):
        other.emit("step", step=step, loss=2.0)
    other.path.replace(events.path)
    assert follower.look().losses[0] == (3, 2.0)
    events.path.write_text(events.path.read_text().splitlines()[0] + "\n")
    assert follower.look().losses == ((3, 2.0),)
    events.path.unlink()
    assert follower.look() == Told()


def test_of_a_repeated_step_or_sample_the_newest_attempt_counts(events: EventLog) -> None:
    follower = Follower(events.path)
    sample = {"prompt": 0, "seed": 0, "path": "samples/step000002/p00-s0.png"}
    for step in (1, 2, 3):
        events.emit("step", step=step, loss=float(step), step_ms=100.0)
    events.emit("checkpoint", step=2)
    events.emit("sample", step=2, subject=0.1, **sample)
    events.emit("failed", reason="error", error="no")
    assert follower.look().end is not None
    again = EventLog(events.path, 2)
    again.emit("stage", text="Loading the backbone", done=0, of=3)
    told = follower.look()
    assert (told.attempt, told.end, told.step, told.saved) == (2, None, 3, 2)
    again.emit("step", step=3, loss=30.0, step_ms=900.0)
    again.emit("sample", step=2, subject=0.9, **sample)
    told = follower.look()
    assert told.losses == ((1, 1.0), (2, 2.0), (3, 30.0))
    assert (told.own_steps, told.step_seconds) == (1, 0.9)
    assert [s["subject"] for s in told.samples] == [0.9]


def test_a_long_curve_is_thinned_and_keeps_its_end(events: EventLog) -> None:
    with events.path.open("w") as file:
        for n in range(1, 4322):
            event = {"seq": n, "attempt": 1, "kind": "step", "step": n, "loss": 1.0}
            file.write(json.dumps(event) + "\n")
    losses = Follower(events.path).look().losses
    assert len(losses) <= MOST_LOSSES
    assert losses[-1][0] == 4321
    assert losses == tuple(sorted(losses))


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "step", "step": "1", "loss": "x", "step_ms": None},
        {"kind": "step", "step": -4, "loss": 1e999, "step_ms": -1},
        {"kind": "stage"},
        {"kind": "checkpoint", "step": [1]},
        {"kind": "sample"},
        {"kind": "unheard of"},
    ],
)
def test_an_event_that_no_worker_writes_breaks_nothing(
    events: EventLog, event: dict[str, Any]
) -> None:
    events.path.write_text(json.dumps({"seq": 1, "attempt": 1} | event) + "\n")
    told = Follower(events.path).look()
    assert (told.attempt, told.step, told.saved, told.losses) == (1, 0, 0, ())
