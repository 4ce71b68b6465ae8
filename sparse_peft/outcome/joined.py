"""Several comparisons on one subject, side by side."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from sparse_peft.comparison import ComparisonOutcome, RunOutcome
from sparse_peft.errors import SpecError
from sparse_peft.outcome.subject import outcome
from sparse_peft.planning import ComparisonPlan, read_subject_plan
from sparse_peft.runs.store import Store

BESIDE = "+"  # between the ids of comparisons that are looked at together
ALIKE = {  # what the base's pictures and the judge's numbers depend on
    "backbone": "backbone", "prompts": "prompts", "seeds": "seeds of the test pictures",
    "resolution": "size of the pictures", "sampling": "way of drawing",
    "precision": "precision", "judge": "judge",
}  # fmt: skip


def joined(home: Path, ids: Sequence[str]) -> ComparisonOutcome:
    """Several comparisons on one subject as one: the runs of all, beside one base.

    A method that two of them have stands in a column each, told apart by its size or settings; the
    first keeps the method's name.

    Raises:
        RunError: the store has no such comparison.
        SpecError: their pictures cannot be set side by side; the sentence names what differs.
    """
    with Store(home) as store:
        plans = [read_subject_plan(store.comparison(comparison)) for comparison in ids]
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
        drawn={},  # each was drawn with the columns of one of them alone
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
