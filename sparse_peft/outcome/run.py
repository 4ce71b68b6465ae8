"""What became of one training run."""

from pathlib import Path

from sparse_peft import tables
from sparse_peft.comparison import RunOutcome
from sparse_peft.methods import method_named
from sparse_peft.planning import PlannedRun
from sparse_peft.planning.classes import PlannedClassRun
from sparse_peft.runs.store import RunRow


def run_outcome(
    folder: Path, run: PlannedRun | PlannedClassRun, row: RunRow, prepare: RunRow, command: str
) -> RunOutcome:
    """A planned run with what the store knows of it and of the run that it needs."""
    method = method_named(run.method)
    return RunOutcome(
        id=run.id,
        run=run.run,
        folder=folder,
        method=run.method,
        label=method.label,
        family=method.family,
        source=method.source,
        state=row.state,
        error=why(row, prepare),
        attempts=row.attempts,
        settings=tables.table(run.training),
        command=command,
        knob=run.knob,
        over_budget=run.over_budget,
        footprint=tables.table(run.footprint),
        preset_steps=run.preset_steps,
    )


def why(row: RunRow, prepare: RunRow) -> str | None:
    """Why a run has not finished, in a sentence; what it needs may be to blame."""
    if row.state == "finished":
        return None
    return row.error or row.note or prepare.error or prepare.note
