"""How long what is at work and what waits will still take, judged by what went before."""

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft.ui.watch.following import Told


@dataclass(frozen=True)
class Cost:
    """What a finished run took."""

    step_seconds: float | None
    """None for a run without steps"""
    around_seconds: float
    """loading, drawing and saving: all that was no step"""


def cost(folder: Path) -> Cost | None:
    """What the finished run in a folder took; None where its files do not tell."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = whole_seconds(folder)
    if whole is None:
        return None
    step_ms, trained = report.get("step_ms"), report.get("seconds")
    if not isinstance(step_ms, int | float) or not isinstance(trained, int | float):
        return Cost(None, max(0.0, whole))
    return Cost(step_ms / 1000, max(0.0, whole - trained))


def whole_seconds(folder: Path) -> float | None:
    """From the begin of the finished run in a folder to its end; None where nothing tells."""
    try:
        began = (folder / "worker.json").stat().st_mtime
        return (folder / "report.json").stat().st_mtime - began
    except OSError:
        return None


def elapsed(folder: Path, now: float) -> float:
    """Seconds since the worker of a run began, by the wall clock."""
    try:
        return max(0.0, now - (folder / "worker.json").stat().st_mtime)
    except FileNotFoundError:
        return 0.0


def seconds_left(told: Told, steps: int, past: Cost | None, spent: float) -> float | None:
    """Of one run that is at work, or has yet to begin with `spent` 0; None where nothing tells.

    Args:
        steps: how many it does; 0 for a run without steps.
        past: what one like it took.
        spent: seconds since it began.
    """
    around = past.around_seconds if past else 0.0
    if not steps:
        return max(0.0, around - spent) if past else None
    step_seconds = told.step_seconds or (past.step_seconds if past else None)
    if step_seconds is None:
        return None
    done = told.step if spent else told.saved
    beside = max(0.0, spent - told.own_steps * step_seconds)  # loading and drawing so far
    return (steps - done) * step_seconds + max(0.0, around - beside)


def makespan(lefts: Sequence[float], lanes: int) -> float:
    """Seconds until all are done, begun in this order on so many lanes."""
    ends = [0.0] * max(1, lanes)
    for left in lefts:
        heapq.heappush(ends, heapq.heappop(ends) + left)
    return max(ends)


def lanes(home: Path) -> int:
    """How many runs this machine has been seen to do at a time."""
    return max(1, len(list((home / "locks").glob("device-*"))))
