"""What the events of one run tell, read on from where the last look ended."""

import os
import statistics
from collections import deque
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from sparse_peft.runs.events import ENDS, Event, read_events

MOST_LOSSES = 500  # points of a curve: more cannot be told apart on a screen
MOST_STEPS = 5000  # kept in memory for a run; beyond that every other one goes
STEPS_TIMED = 20  # of the last ones, for the time of a step


@dataclass(frozen=True)
class Told:
    """What a run has told by now."""

    attempt: int = 0
    """0 before the first"""
    step: int = 0
    """the last one of the newest attempt that trained"""
    saved: int = 0
    """the step of its newest checkpoint"""
    stage: str | None = None
    done: int = 0
    of: int = 0
    """`done` stages of so many are behind it"""
    stage_at: float = 0.0
    """wall clock of the stage's beginning, as the file system tells it"""
    own_steps: int = 0
    """done in this attempt"""
    step_seconds: float | None = None
    """the median of the last ones"""
    samples: tuple[Event, ...] = ()
    """its test pictures in the order of their drawing, each with step, prompt, seed and path"""
    losses: tuple[tuple[int, float], ...] = ()
    """step and loss, at most 500 of them, the last one included"""
    accuracies: tuple[tuple[int, float], ...] = ()
    """step and held-out accuracy, by step"""
    note: str | None = None
    end: Event | None = None
    """how the attempt ended, if it said so"""


class Follower:
    """The events of a run, of which each is read once; a replaced file is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._mark: tuple[int, int] | None = None  # inode and size at the last look
        self._offset = 0
        self._seq = 0
        self._told: dict[str, Any] = {}
        self._first = 0
        self._steps: dict[int, tuple[int, float]] = {}  # step -> attempt and loss
        self._samples: dict[tuple[Any, ...], Event] = {}
        self._accuracies: dict[int, float] = {}
        self._timed: deque[float] = deque(maxlen=STEPS_TIMED)
        self._last = Told()

    def look(self) -> Told:
        """All that is told by now."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._forget()
            return self._last
        mark = (status.st_ino, status.st_size)
        if mark == self._mark:
            return self._last
        if self._mark and (self._mark[0] != status.st_ino or status.st_size < self._offset):
            self._forget()
        self._mark = mark
        events, self._offset = read_events(self._path, self._offset)
        for event in events:
            if event["seq"] > self._seq:
                self._seq = event["seq"]
                self._take(event, status.st_mtime)
        if events:
            self._last = self._tell()
        return self._last

    def _take(self, event: Event, at: float) -> None:
        told, kind = self._told, event["kind"]
        if event["attempt"] > told.get("attempt", 0):
            told.update(attempt=event["attempt"], stage=None, done=0, of=0, note=None, end=None)
            self._first = 0
            self._timed.clear()
        if kind == "step":
            self._take_step(event)
        elif kind == "sample":
            key = tuple(event.get(name) for name in ("step", "prompt", "seed", "path"))
            self._samples[key] = event
        elif kind == "evaluation":
            accuracy = event.get("accuracy")
            if isinstance(accuracy, int | float) and isfinite(accuracy):
                self._accuracies[_count(event.get("step"))] = float(accuracy)
        elif kind == "stage":
            told.update(stage=str(event.get("text", "")), stage_at=at)
            told.update(done=_count(event.get("done")), of=_count(event.get("of")))
        elif kind == "checkpoint":
            told["saved"] = _count(event.get("step"))
        elif kind == "note":
            told["note"] = str(event.get("text", ""))
        elif kind in ENDS:
            told["end"] = event

    def _take_step(self, event: Event) -> None:
        step, loss, step_ms = _count(event.get("step")), event.get("loss"), event.get("step_ms")
        self._told["step"] = step
        self._first = self._first or step
        if isinstance(loss, int | float) and isfinite(loss):
            known = self._steps.get(step)
            if known is None or known[0] <= event["attempt"]:
                self._steps[step] = (event["attempt"], float(loss))
        if isinstance(step_ms, int | float) and isfinite(step_ms) and step_ms > 0:
            self._timed.append(step_ms / 1000)
        if len(self._steps) > MOST_STEPS:
            self._steps = dict(sorted(self._steps.items())[::2])

    def _tell(self) -> Told:
        step = self._told.get("step", 0)
        return Told(
            **self._told,
            own_steps=step - self._first + 1 if self._first else 0,
            step_seconds=statistics.median(self._timed) if self._timed else None,
            samples=tuple(self._samples.values()),
            accuracies=tuple(sorted(self._accuracies.items())),
            losses=_thinned([(n, loss) for n, (_, loss) in sorted(self._steps.items())]),
        )


def _thinned(points: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """At most MOST_LOSSES of the points, evenly, the last one always."""
    every = -(-len(points) // MOST_LOSSES) or 1
    return tuple(points[(len(points) - 1) % every :: every])


def _count(value: object) -> int:
    return value if type(value) is int and value >= 0 else 0
