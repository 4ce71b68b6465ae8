"""The rows of a few-shot comparison as a page shows them: each with its look."""

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report import words
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import Identity, identities, mark_svg
from sparse_peft.tasks.fewshot.recipe import ZERO_SHOT

Comparison = Mapping[str, Any]


class Line(NamedTuple):
    """One row: a method or a reference, with its trainings inside."""

    row: Mapping[str, Any]
    look: Identity

    @property
    def method(self) -> str:
        """Its name in the registry, or the reference's."""
        return str(self.row["method"])

    @property
    def label(self) -> str:
        """Its short name."""
        return str(self.row["label"])

    @property
    def trained(self) -> bool:
        """Whether it is a method, not a reference made of frozen features."""
        return any(run["run"] is not None for run in self.row["runs"])

    def metric(self, name: str) -> Interval | None:
        """A metric with its interval; None where it was not measured."""
        return words.measured(self.row["metrics"][name])

    def of_class(self, name: str) -> Interval | None:
        """The accuracy on the pictures of a class."""
        return words.measured((self.row["metrics"]["per_class"] or {}).get(name))


def lines(comparison: Comparison) -> list[Line]:
    """All rows, in the order of `runs`."""
    looks = identities([(row["method"], row["family"]) for row in comparison["runs"]])
    return [Line(row, looks[row["method"]]) for row in comparison["runs"]]


def many(comparison: Comparison) -> bool:
    """Whether there are so many rows that a page gathers and folds."""
    return len(comparison["runs"]) >= MANY


def zero_shot(comparison: Comparison) -> float | None:
    """The accuracy of the untouched CLIP, once it is measured; else of the row in its place."""
    for line in lines(comparison):
        accuracy = line.metric("accuracy")
        if line.method == comparison.get("reference", ZERO_SHOT) and accuracy:
            return accuracy.mean
    return None


def named(line: Line) -> str:
    """HTML of its mark, its name, and a flag where it is over the budget."""
    flag = ' <b class="flag">over budget</b>' if line.row["over_budget"] else ""
    return f"{mark_svg(line.look)} {escape(line.label)}{flag}"
