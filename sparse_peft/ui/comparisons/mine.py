"""What of the store belongs to the person at a desk; of all else nothing is told."""

import re
from pathlib import Path

from sparse_peft.comparison import AnyOutcome
from sparse_peft.errors import DataError, RunError
from sparse_peft.outcome import BESIDE, any_outcome, joined
from sparse_peft.planning import (
    AnyPlan,
    ComparisonPlan,
    read_classes_plan,
    read_plan,
    read_subject_plan,
)
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.runs.store import RunRow, Store
from sparse_peft.ui.desk.desk import Desk

_LONGEST = 40  # of a name that a browser sent, in a sentence
_DATASET = re.compile(r"[a-z0-9-]{1,80}")


def comparisons(desk: Desk, opened: str | None) -> tuple[str, ...]:
    """The ids behind what is opened, which may be several comparisons side by side.

    Raises:
        RunError: one is not there, or is someone else's: nobody can tell which.
    """
    ids = (opened or "").split(BESIDE)
    with Store(desk.home) as store:
        own = store.comparisons(desk.owner)
    for one in ids:
        if one not in own:
            raise RunError(f"There is no comparison {one[:_LONGEST]!r} here.")
    return tuple(dict.fromkeys(ids))


def comparison(desk: Desk, opened: str | None) -> str:
    """The one id behind what is opened.

    Raises:
        RunError: as in `comparisons`, or there are several.
    """
    ids = comparisons(desk, opened)
    if len(ids) > 1:
        raise RunError("Several comparisons are open side by side. Open the one that you mean.")
    return ids[0]


def run(desk: Desk, run_id: str) -> RunRow:
    """The row of a run; RunError as in `comparisons`."""
    with Store(desk.home) as store:
        found = [row for row in store.runs() if (row.id, row.owner) == (run_id, desk.owner)]
    if not found:
        raise RunError(f"There is no run {run_id[:_LONGEST]!r} here.")
    return found[0]


def plan(desk: Desk, one: str) -> AnyPlan:
    """What a comparison of this person was asked to be."""
    with Store(desk.home) as store:
        return read_plan(store.comparison(comparison(desk, one)))


def subject_plan(desk: Desk, one: str) -> ComparisonPlan:
    """The same, of a comparison about one subject; SpecError where it is another task's."""
    with Store(desk.home) as store:
        return read_subject_plan(store.comparison(comparison(desk, one)))


def classes_plan(desk: Desk, one: str) -> ClassesPlan:
    """The same, of a few-shot comparison; SpecError where it is another task's."""
    with Store(desk.home) as store:
        return read_classes_plan(store.comparison(comparison(desk, one)))


def data(desk: Desk, dataset: str) -> Path:
    """The folder of a data set of this person.

    Raises:
        DataError: it is not there.
    """
    folder = desk.home / "data" / desk.owner / dataset
    if not _DATASET.fullmatch(dataset) or not folder.is_dir():
        raise DataError("These pictures are not there any more. Load the page again.")
    return folder


def opened(desk: Desk, opened: str | None) -> AnyOutcome:
    """One comparison, or several side by side, as they stand now.

    Raises:
        RunError: as in `comparisons`.
        SpecError: they cannot stand side by side.
    """
    ids = comparisons(desk, opened)
    return any_outcome(desk.home, ids[0]) if len(ids) == 1 else joined(desk.home, ids)
