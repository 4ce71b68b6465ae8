"""Steps in words, and what to bear in mind where they are fewer than the preset's."""

from collections.abc import Mapping, Sequence
from typing import Any

Training = Mapping[str, Any]
"""A training as comparison.json has it; older files do not hold what the preset has."""

EARLY = "what is ahead this early says little about the end"


def shortened(compared: Sequence[tuple[str, Training]]) -> list[str]:
    """A sentence where trainings have fewer steps than their preset; none where no one has.

    Methods learn at different speed. More steps than the preset's need no word: no method was cut
    short by them.

    Args:
        compared: trainings, each with the name of its method.
    """
    short: dict[str, list[str]] = {}
    for label, run in compared:
        if _cut(run):
            short.setdefault(steps_of(run), []).append(label)
    if not short:
        return []
    everyone = [len(labels) for labels in short.values()] == [len(compared)]
    parts = " and ".join(
        told + ("" if everyone else f" ({', '.join(dict.fromkeys(labels))})")
        for told, labels in short.items()
    )
    return [f"Trained for {parts}: {EARLY}."]


def steps_of(run: Training) -> str:
    """250 steps, or 20 of the preset's 250 steps."""
    of = f" of the preset's {run['preset_steps']:,}" if _cut(run) else ""
    return f"{run['settings']['steps']:,}{of} steps"


def _cut(run: Training) -> bool:
    usual = run.get("preset_steps")
    return usual is not None and bool(run["settings"]["steps"] < usual)
