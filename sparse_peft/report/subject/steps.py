"""The steps of a comparison: those with pictures, the last one, and those still to come."""

from collections.abc import Mapping
from typing import Any

MOST_STOPS = 8  # earlier steps inside the page: all are in the folder beside it

Comparison = Mapping[str, Any]


def all_steps(comparison: Comparison, *, whole: bool = False) -> list[int]:
    """Stops of the slider: 0 is the base."""
    return sorted({0, *(step for run in comparison["runs"] for step in steps_of(run, whole=whole))})


def last_step(run: Mapping[str, Any]) -> int:
    """The step at which a run's test pictures were drawn."""
    return int(run["settings"]["steps"] if run["stopped_at"] is None else run["stopped_at"])


def due(run: Mapping[str, Any]) -> list[int]:
    """Steps whose pictures are still to come."""
    if run["state"] not in ("queued", "running"):
        return []
    steps, every = run["settings"]["steps"], run["settings"].get("sample_every")
    drawn = {row["step"] for row in run["history"]}
    planned = range(every, steps, every) if every else ()
    return [step for step in (*planned, steps) if step == steps or step not in drawn]


def steps_of(run: Mapping[str, Any], *, whole: bool) -> list[int]:
    """Steps with pictures, the newest last; those of the rows among them in any case."""
    drawn = {row["step"] for row in run["history"]}
    if run["samples"]:
        drawn = {step for step in drawn if step < last_step(run)} | {last_step(run)}
    *earlier, last = sorted(drawn) or [0]
    stride = 1 if whole else -(-len(earlier) // MOST_STOPS) or 1
    return [*earlier[::stride], last] if drawn else []
