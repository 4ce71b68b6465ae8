"""A home in which runs have finished, as workers leave them, with the times that they took."""

import os
from typing import Any

from sparse_peft import files, tables
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import Kind, RunSpec, new_id
from sparse_peft.runs.store import Store
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings, Shared, TrainSettings
from sparse_peft.ui.desk.desk import Desk

CPU = "CPU (x86_64), 1 thread(s)"
BEGAN = 1_700_000_000.0  # any moment


def leave(desk: Desk, kind: Kind, settings: object, report: dict[str, Any], seconds: float) -> str:
    """A finished run of so many seconds."""
    run = RunSpec(new_id(), kind, desk.owner, None, tables.table(settings))
    with Store(desk.home) as store:
        store.submit(None, [run])
        store.claim("cpu-0")
        folder = RunDirectory.of(desk.home, run.id).path
        files.write_json(folder / "report.json", report)
        (folder / "worker.json").write_text("{}")
        for name, at in (("worker.json", BEGAN), ("report.json", BEGAN + seconds)):
            os.utime(folder / name, (at, at))
        store.end(run.id, "finished")
    return run.id


def leave_training(
    desk: Desk, settings: TrainSettings, step_ms: float, around: float, **changes: Any
) -> str:
    """A finished training."""
    trained = step_ms / 1000 * settings.training.steps
    report = {
        "step_ms": step_ms, "seconds": trained, "footprint": {"active": 1000}, "peak_mib": 100.0,
        "beside": 1, "device": CPU, "samples": [], "history": [],
    }  # fmt: skip
    return leave(desk, "train", settings, report | changes, trained + around)


def leave_prepare(desk: Desk, shared: Shared, seconds: float) -> str:
    """A finished prepare run."""
    return leave(desk, "prepare", shared, {"samples": [], "seconds": seconds}, seconds)


def leave_probe(desk: Desk, settings: ProbeSettings, **changes: Any) -> str:
    """A finished probe."""
    rows = [
        {"method": each.method, "active": 1000, "step_ms": 50.0, "peak_mib": None, "fits": True}
        for each in settings.trainings
    ]
    report = {
        "devices": [{"id": "cpu", "name": "any", "cores": 2, "memory_gib": 8.0}],
        "backbone": settings.backbone, "device": CPU, "beside": 0, "load_seconds": 3.0,
        "picture_seconds": 0.5, "trainings": rows,
    }  # fmt: skip
    return leave(desk, "probe", settings, report | changes, 10.0)
