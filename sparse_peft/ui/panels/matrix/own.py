"""Prompts of a person's own, drawn with every method of a comparison after its training."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.report import words
from sparse_peft.runs.run import RunDirectory
from sparse_peft.tasks.dreambooth.recipe import GenerateSettings
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch import remaining
from sparse_peft.ui.watch.watching import Live

STATES = {
    "queued": "Waiting ...",
    "running": "Drawing ...",
    "interrupted": "Interrupted: its process ended.",
    "cancelled": "Stopped.",
}


@dataclass(frozen=True)
class Own:
    """One such prompt: a row of the matrix."""

    id: str
    run: Live
    prompt: str
    """as the backbone reads it"""
    text: str
    """as a person says it"""
    seed: int
    pictures: Mapping[str, str]
    """address by column's run in the comparison, or base"""

    @property
    def note(self) -> str | None:
        """What stands in its empty squares."""
        if self.run.state == "failed":
            return f"Stopped: {self.run.error}"
        return STATES.get(self.run.state)


def owns(desk: Desk, opened: Opened) -> list[Own]:
    """All of them, oldest first."""
    return [_own(desk, opened, run) for run in opened.runs.values() if run.kind == "generate"]


def about(desk: Desk, opened: Opened) -> float | None:
    """Seconds that a new one takes; None until one was drawn."""
    for run in reversed([run for run in opened.runs.values() if run.kind == "generate"]):
        cost = remaining.cost(RunDirectory.of(desk.home, run.id).path)
        if run.state == "finished" and cost:
            return cost.around_seconds
    return None


def _own(desk: Desk, opened: Opened, run: Live) -> Own:
    folder = RunDirectory.of(desk.home, run.id).path
    asked = _asked(folder)
    prompt = asked.shared.drawn(asked.prompt)
    return Own(
        f"own-{run.id}",
        run,
        prompt,
        words.shown_prompt(opened.comparison, prompt),
        asked.seeds[0],
        {name: f"/studio/files/{run.id}/{path}" for name, path in _drawn(run, asked.seeds[0])},
    )


@lru_cache(maxsize=256)
def _asked(folder: Path) -> GenerateSettings:
    value = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return tables.build(GenerateSettings, value["settings"], str(folder))


def _drawn(run: Live, seed: int) -> Iterator[tuple[str, str]]:
    """Which column each picture belongs to: samples/<column>/<file>."""
    for event in run.samples:
        row: dict[str, Any] = dict(event)
        parts = str(row.get("path", "")).split("/")
        if len(parts) == 3 and parts[0] == "samples" and row.get("seed") == seed:
            yield parts[1], "/".join(parts)
