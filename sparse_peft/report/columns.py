"""The columns of a comparison: the base first, then each method with its training runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sparse_peft.report.marks import Identity, identities

BASE = "base"
MANY = 8  # columns or rows, base and references too: from so many on a page gathers and folds


@dataclass(frozen=True)
class Column:
    """One method, or the base; `runs` are its entries in comparison.json, none for the base."""

    method: str
    label: str
    look: Identity
    runs: tuple[Mapping[str, Any], ...]

    @property
    def shown(self) -> Mapping[str, Any] | None:
        """The run whose pictures stand in the column at first: the first one that has some."""
        drawn = [run for key in ("samples", "history") for run in self.runs if run[key]]
        return next(iter([*drawn, *self.runs]), None)

    def average(self, metric: str) -> float | None:
        """The mean of a metric over its training runs; None where none was measured."""
        found = [run["metrics"][metric]["mean"] for run in self.runs if run["metrics"][metric]]
        return fmean(found) if found else None


def columns(comparison: Mapping[str, Any]) -> list[Column]:
    """All columns, in the order of the runs."""
    looks = identities(
        [(BASE, BASE), *((run["method"], run["family"]) for run in comparison["runs"])]
    )
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for run in comparison["runs"]:
        runs.setdefault(run["method"], []).append(run)
    found = [Column(BASE, "Base", looks[BASE], ())]
    return found + [
        Column(method, entries[0]["label"], looks[method], tuple(entries))
        for method, entries in runs.items()
    ]


def many(comparison: Mapping[str, Any]) -> bool:
    """Whether there are so many columns that a page gathers and folds."""
    return len(columns(comparison)) >= MANY


def samples_of(comparison: Mapping[str, Any], column: Column) -> list[Mapping[str, Any]]:
    """The test pictures that stand in a column at first."""
    if column.method == BASE:
        return list(comparison["base"]["samples"])
    return list(column.shown["samples"]) if column.shown else []


def newest_of(comparison: Mapping[str, Any], column: Column) -> list[Mapping[str, Any]]:
    """The same, or where these are not drawn yet, the pictures of the newest step on the way."""
    samples = samples_of(comparison, column)
    if samples or column.shown is None:
        return samples
    history = column.shown["history"]
    last = max((row["step"] for row in history), default=None)
    return [row for row in history if row["step"] == last]
