"""What became of a comparison: its plan, the state of its runs, and where their results lie."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from sparse_peft import tables
from sparse_peft.comparison import ComparisonOutcome, RunOutcome
from sparse_peft.data.prompts import PROMPTS
from sparse_peft.data.subject import Subject
from sparse_peft.errors import SpecError
from sparse_peft.methods import method_named
from sparse_peft.planning import ComparisonPlan, PlannedRun, read_plan
from sparse_peft.presets import CHANGED
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow, Store

BESIDE = "+"  # between the ids of comparisons that are looked at together
ALIKE = {  # what the base's pictures and the judge's numbers depend on
    "backbone": "backbone", "prompts": "prompts", "seeds": "seeds of the test pictures",
    "resolution": "size of the pictures", "sampling": "way of drawing",
    "precision": "precision", "judge": "judge",
}  # fmt: skip


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
        prepare=RunDirectory.of(home, plan.prepare).path,
        runs=runs,
        pictures=tuple((folder / p.file, p.crop) for p in subject.pictures),
    )


def joined(home: Path, ids: Sequence[str]) -> ComparisonOutcome:
    """Several comparisons on one subject as one: the runs of all, beside one base.

    A method that two of them have stands in a column each, told apart by its size or settings; the
    first keeps the method's name.

    Raises:
        RunError: the store has no such comparison.
        SpecError: their pictures cannot be set side by side; the sentence names what differs.
    """
    with Store(home) as store:
        plans = [read_plan(store.comparison(comparison)) for comparison in ids]
    for plan in plans[1:]:
        _check_alike(plans[0], plan)
    found = [outcome(home, comparison) for comparison in ids]
    base = next((one for one in found if one.prepared), found[0])
    return replace(
        found[0],
        id=BESIDE.join(ids),
        budget=found[0].budget if len({one.budget for one in found}) == 1 else None,
        command="\n".join(one.command for one in found),
        prepare=base.prepare,
        runs=_told_apart([one.runs for one in found]),
    )


def _check_alike(one: ComparisonPlan, other: ComparisonPlan) -> None:
    differs = [words for name, words in ALIKE.items()
               if getattr(one.shared, name) != getattr(other.shared, name)]  # fmt: skip
    if one.subject != other.subject:
        differs.insert(0, "pictures of the subject")
    if differs:
        raise SpecError(
            f"These two comparisons differ in their {', '.join(differs)}, so their pictures cannot "
            "be set side by side. Choose two that have these in common."
        )


def _told_apart(comparisons: Sequence[tuple[RunOutcome, ...]]) -> tuple[RunOutcome, ...]:
    """All runs; those of a method that several comparisons have, with a column for each."""
    columns: dict[str, list[RunOutcome]] = {}  # the first run of each column, by method
    for runs in comparisons:
        for method in dict.fromkeys(run.method for run in runs):
            columns.setdefault(method, []).append(next(r for r in runs if r.method == method))
    told: list[RunOutcome] = []
    for runs in comparisons:
        for run in runs:
            likes = columns[run.method]
            mine = next(place for place, like in enumerate(likes) if like in runs)
            told.append(run if len(likes) == 1 else _renamed(run, _words(likes)[mine], mine))
    return tuple(told)


def _words(likes: Sequence[RunOutcome]) -> list[str]:
    """For each of some runs of one method, the fewest words that tell it from the others."""
    settings = [
        (run.knob or "", f"lr {run.settings['lr']:g}", f"{run.settings['steps']} steps",
         str(run.settings["preset"]))
        for run in likes
    ]  # fmt: skip
    places = range(len(settings[0]))
    for count in range(1, len(places) + 1):
        for chosen in combinations(places, count):
            words = [", ".join(words[place] for place in chosen) for words in settings]
            if len(set(words)) == len(words):
                return words
    return [f"(copy {number})" for number in range(1, len(likes) + 1)]


def _renamed(run: RunOutcome, words: str, place: int) -> RunOutcome:
    """The run in a column of its own; the first of its likes keeps the method's name and look."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    method = run.method if place == 0 else f"{run.method}-{slug}"
    name = run.id.replace(run.method, method, 1)
    return replace(run, id=name, method=method, label=f"{run.label} {words}")


def command(plan: ComparisonPlan, subject: Subject, methods: tuple[str, ...]) -> str:
    """The command line that trains these methods of the plan again."""
    shared, first = plan.shared, plan.runs[0]
    repeats = len(plan.runs) // len({run.method for run in plan.runs})
    words = ["python", "-m", "sparse_peft", "compare", "--task", plan.task, "--pictures", "DIR"]
    if any(picture.caption for picture in subject.pictures):
        words += ["--captions", "FILE"]
    words += ["--noun", shared.noun, "--token", shared.token, "--backbone", plan.backbone]
    words += ["--methods", ",".join(methods), "--budget", str(plan.budget)]
    preset = "FILE" if plan.preset.endswith(CHANGED) else plan.preset
    words += ["--preset", preset, "--steps", str(first.training.steps)]
    if shared.prompts != PROMPTS:
        words += ["--prompts", "FILE"]
    words += ["--seed", str(shared.seed), "--train-seeds", str(repeats), "--out", "DIR"]
    return shlex.join(words)


def _run(folder: Path, run: PlannedRun, row: RunRow, prepare: RunRow, command: str) -> RunOutcome:
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
        error=_why(row, prepare),
        attempts=row.attempts,
        settings=tables.table(run.training),
        command=command,
        knob=run.knob,
        over_budget=run.over_budget,
        footprint=tables.table(run.footprint),
    )


def _why(row: RunRow, prepare: RunRow) -> str | None:
    """Why a run has not finished, in a sentence; what it needs may be to blame."""
    if row.state == "finished":
        return None
    return row.error or row.note or prepare.error or prepare.note
