"""Having this machine measured: a probe run of what the draft asks for, and how it stands."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sparse_peft import presets, tables
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec, new_id
from sparse_peft.runs.store import RunRow, Store
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.estimates.chosen import (
    blocked,
    chosen,
    family_of,
    trainings,
    untried,
    with_changes,
)
from sparse_peft.ui.watch.watcher import watcher


@dataclass(frozen=True)
class Probing:
    """How a person's last probe of the draft's backbone stands."""

    busy: bool
    """whether it works or waits"""
    stage: str
    """what it does, in words"""
    error: str | None = None
    """why it ended without a result"""


def begin(desk: Desk) -> None:
    """Submit the probe of the draft as it stands, unless one is under way."""
    settings = probe_of(desk)
    if not any(row.state in ("queued", "running") for row in _probes(desk)):
        run = RunSpec(new_id(), "probe", desk.owner, None, tables.table(settings))
        with Store(desk.home) as store:
            store.submit(None, [run])
    client.ensure_runner(desk.home)


def standing(desk: Desk) -> Probing | None:
    """How the last probe stands; None if there is none, or it has finished."""
    rows = _probes(desk)
    if not rows or rows[-1].state in ("finished", "cancelled"):
        return None
    row = rows[-1]
    if row.state == "queued":
        return Probing(True, "Waiting for the runs before it")
    if row.state == "running":
        return Probing(True, watcher(desk.home).told(row.id).stage or "Starting")
    asked = RunDirectory.of(desk.home, row.id).spec.settings.get("backbone")
    if asked != desk.draft.backbone:
        return None
    return Probing(False, "", row.error or "Measuring was interrupted: its process ended.")


def probe_of(desk: Desk) -> ProbeSettings:
    """What is to be measured for the draft as it stands; a CLIP is fetched and no more."""
    if desk.task == "fewshot":
        return ProbeSettings(desk.draft.backbone, task="fewshot")
    found = chosen(desk)
    if found is not None:
        names = found.taking_part or tuple(
            name for name in found.dial.methods if blocked(found, name) is None
        )
        return ProbeSettings(found.source.id, trainings(found, names))
    draft, family = desk.draft, family_of(desk.draft)
    if family is None:
        return ProbeSettings(draft.backbone)
    plain = presets.preset(draft.preset, "dreambooth", family)
    return ProbeSettings(draft.backbone, untried(with_changes(plain, draft), draft))


def _probes(desk: Desk) -> list[RunRow]:
    rows = watcher(desk.home).rows()
    own = [row for row in rows if row.kind == "probe" and row.owner == desk.owner]
    return [row for row in own if _task_of(desk.home, row.id) == desk.task]


@lru_cache(256)
def _task_of(home: Path, run: str) -> str:
    return str(RunDirectory.of(home, run).spec.settings.get("task", "dreambooth"))
