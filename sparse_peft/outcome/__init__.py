"""What became of a comparison: its plan, the state of its runs, and where their results lie."""

from pathlib import Path

from sparse_peft.comparison import AnyOutcome
from sparse_peft.outcome.classes import classes_outcome
from sparse_peft.outcome.joined import BESIDE, joined
from sparse_peft.outcome.subject import command, outcome, subject_outcome
from sparse_peft.planning import ComparisonPlan, read_plan
from sparse_peft.runs.store import Store

__all__ = ["BESIDE", "any_outcome", "command", "joined", "outcome"]


def any_outcome(home: Path, comparison: str) -> AnyOutcome:
    """A comparison of any task as it stands now.

    Raises:
        RunError: the store has no such comparison.
    """
    with Store(home) as store:
        plan = read_plan(store.comparison(comparison))
        rows = {row.id: row for row in store.runs(comparison)}
    if isinstance(plan, ComparisonPlan):
        return subject_outcome(home, comparison, plan, rows)
    return classes_outcome(home, comparison, plan, rows)
