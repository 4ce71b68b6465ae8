"""Comparisons of one person on the same pictures: those that may share a chart."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import UserError
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.ui.classes.compare import live
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import watcher

MOST = 24  # the newest ones: more would be no chart


def likes(desk: Desk, comparison: str) -> dict[str, Mapping[str, Any]]:
    """By id, all that have results on the same pictures and backbone, oldest first."""
    watch = watcher(desk.home)
    ours = watch.plan(comparison)
    if not isinstance(ours, ClassesPlan):
        return {}
    found = {}
    for one in watch.owned(desk.owner).comparisons:
        plan = watch.plan(one)
        if isinstance(plan, ClassesPlan) and _alike(plan, ours) and _finished(watch.rows(one)):
            found[one] = plan
    return {one: value for one in list(found)[-MOST:] if (value := _value(desk, one)) is not None}


def _alike(plan: ClassesPlan, ours: ClassesPlan) -> bool:
    asked = (plan.dataset, plan.backbone, plan.shared.classes, plan.shared.new_classes)
    return asked == (
        ours.dataset, ours.backbone, ours.shared.classes, ours.shared.new_classes
    )  # fmt: skip


def _finished(rows: tuple[Any, ...]) -> bool:
    return any(row.kind == "train" and row.state == "finished" for row in rows)


def _value(desk: Desk, comparison: str) -> Mapping[str, Any] | None:
    try:
        outcome = mine.opened(desk, comparison)
        assert isinstance(outcome, ClassesOutcome)
        return live.assembled(outcome)
    except UserError:  # a damaged one says so where it is opened
        return None
