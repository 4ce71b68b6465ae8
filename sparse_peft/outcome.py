"""What became of a comparison: its plan, the state of its runs, and where their results lie."""

import shlex
from pathlib import Path

from sparse_peft import tables
from sparse_peft.compare import ComparisonOutcome, RunOutcome
from sparse_peft.data.prompts import PROMPTS
from sparse_peft.data.subject import Subject
from sparse_peft.methods import method_named
from sparse_peft.planning import ComparisonPlan, PlannedRun, read_plan
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow, Store


def outcome(home: Path, comparison: str) -> ComparisonOutcome:
    """A comparison as it stands now.

    Raises:
        RunError: the store has no such comparison.
    """
    with Store(home) as store:
        plan = read_plan(store.comparison(comparison))
        rows = {row.id: row for row in store.runs(comparison)}
    folder = home / "data" / plan.subject
    subject = Subject.load(folder)
    prepare = rows[plan.prepare]
    shared = plan.shared
    runs = tuple(
        _run(
            RunDirectory.of(home, run.run).path,
            run,
            rows[run.run],
            prepare,
            command(plan, subject, (run.method,)),
        )
        for run in plan.runs
    )
    return ComparisonOutcome(
        id=comparison,
        task=plan.task,
        backbone=plan.backbone,
        noun=shared.noun,
        token=shared.token,
        budget=plan.budget,
        prompts=tuple(shared.drawn(prompt) for prompt in shared.prompts),
        seeds=shared.seeds,
        command=command(plan, subject, tuple(dict.fromkeys(run.method for run in plan.runs))),
        prepare=RunDirectory.of(home, plan.prepare).path if prepare.state == "finished" else None,
        runs=runs,
        pictures=tuple((folder / p.file, p.crop) for p in subject.pictures),
    )


def command(plan: ComparisonPlan, subject: Subject, methods: tuple[str, ...]) -> str:
    """The command line that trains these methods of the plan again."""
    shared, first = plan.shared, plan.runs[0]
    repeats = len(plan.runs) // len({run.method for run in plan.runs})
    words = ["python", "-m", "sparse_peft", "compare", "--task", plan.task, "--pictures", "DIR"]
    if any(picture.caption for picture in subject.pictures):
        words += ["--captions", "FILE"]
    words += ["--noun", shared.noun, "--token", shared.token, "--backbone", plan.backbone]
    words += ["--methods", ",".join(methods), "--budget", str(plan.budget)]
    words += ["--preset", plan.preset, "--steps", str(first.training.steps)]
    if shared.prompts != PROMPTS:
        words += ["--prompts", "FILE"]
    words += ["--seed", str(shared.seed), "--train-seeds", str(repeats), "--out", "DIR"]
    return shlex.join(words)


def _run(folder: Path, run: PlannedRun, row: RunRow, prepare: RunRow, command: str) -> RunOutcome:
    method = method_named(run.method)
    training = run.training
    return RunOutcome(
        id=run.id,
        run=run.run,
        folder=folder,
        method=run.method,
        label=method.label,
        family=method.family,
        source=method.source,
        state=row.state,
        error=_why(row, prepare),
        attempts=row.attempts,
        settings={
            "lr": training.lr, "steps": training.steps, "seed": training.seed,
            "preset": training.preset,
        },
        command=command,
        knob=run.knob,
        over_budget=run.over_budget,
        footprint=tables.table(run.footprint),
    )  # fmt: skip


def _why(row: RunRow, prepare: RunRow) -> str | None:
    """Why a run has not finished, in a sentence; what it needs may be to blame."""
    if row.state == "finished":
        return None
    return row.error or row.note or prepare.error or prepare.note
