"""What became of a DreamBooth comparison."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparse_peft.comparison import ComparisonOutcome
from sparse_peft.data.subject import Subject
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.outcome.recipe import preset_words
from sparse_peft.outcome.run import run_outcome
from sparse_peft.planning import ComparisonPlan, PlannedRun, read_subject_plan
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow, Store


def outcome(home: Path, comparison: str) -> ComparisonOutcome:
    """A DreamBooth comparison as it stands now.

    Raises:
        RunError: the store has no such comparison.
        SpecError: it is of another task.
    """
    with Store(home) as store:
        plan = read_subject_plan(store.comparison(comparison))
        rows = {row.id: row for row in store.runs(comparison)}
    return subject_outcome(home, comparison, plan, rows)


def subject_outcome(
    home: Path, comparison: str, plan: ComparisonPlan, rows: Mapping[str, RunRow]
) -> ComparisonOutcome:
    """A DreamBooth comparison as it stands now.

    Args:
        rows: what the store knows of its runs, by id.
    """
    folder = home / "data" / plan.subject
    subject = Subject.load(folder)
    prepare = rows[plan.prepare]
    shared = plan.shared
    methods = tuple(dict.fromkeys(run.method for run in plan.runs))
    runs = tuple(
        run_outcome(
            RunDirectory.of(home, run.run).path,
            run,
            rows[run.run],
            prepare,
            command(plan, subject, (run,), preset_words(home, plan, (run.method,))),
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
        command=command(plan, subject, plan.runs, preset_words(home, plan, methods)),
        prepare=RunDirectory.of(home, plan.prepare).path,
        runs=runs,
        pictures=tuple((folder / p.file, p.crop) for p in subject.pictures),
        drawn={
            row.id: RunDirectory.of(home, row.id).path
            for row in rows.values()
            if (row.kind, row.state) == ("generate", "finished")
        },
    )


def command(
    plan: ComparisonPlan, subject: Subject, runs: Sequence[PlannedRun], recipe: Sequence[str]
) -> str:
    """The command line that trains the methods of these runs of the plan again.

    Args:
        recipe: the words that name the preset.
    """
    shared, first = plan.shared, plan.runs[0]
    repeats = len(plan.runs) // len({run.method for run in plan.runs})
    words = ["python", "-m", "sparse_peft", "compare", "--task", plan.task, "--pictures", "DIR"]
    if any(picture.caption for picture in subject.pictures):
        words += ["--captions", "FILE"]
    words += ["--noun", shared.noun, "--token", shared.token, "--backbone", plan.backbone]
    methods = dict.fromkeys(run.method for run in runs)
    words += ["--methods", ",".join(methods), "--budget", str(plan.budget)]
    if any(run.over_budget for run in runs):
        words += ["--allow-over-budget"]
    words += [*recipe, "--steps", str(first.training.steps)]
    if shared.prompts != PROMPTS:
        words += ["--prompts", "FILE"]
    words += ["--seed", str(shared.seed), "--train-seeds", str(repeats), "--out", "DIR"]
    return shlex.join(words)
