"""In which order the columns stand: as ticked, by family, or by something that was measured."""

from collections.abc import Callable, Sequence
from statistics import fmean

from sparse_peft.report.columns import BASE, Column
from sparse_peft.report.legend import FAMILY, TICKED, by_family

TITLES = (
    (TICKED, "as ticked"),
    ("subject", "subject fidelity"),
    ("prompt", "prompt fidelity"),
    ("stored", "stored"),
    ("seconds", "training time"),
    (FAMILY, "family"),
)

LAST = float("inf")


def orders(shown: Sequence[Column]) -> dict[str, list[str]]:
    """The methods as each entry of the menu puts them, the base first; unmeasured ones last."""
    methods = [column for column in shown if column.method != BASE]
    found = {
        TICKED: [column.method for column in methods],
        "subject": _sorted(methods, lambda column: _closest(column, "subject_fidelity")),
        "prompt": _sorted(methods, lambda column: _closest(column, "prompt_fidelity")),
        "stored": _sorted(methods, _stored),
        "seconds": _sorted(methods, _seconds),
        FAMILY: by_family({column.method: column.look.family for column in methods}),
    }
    return {name: [BASE, *found[name]] for name, _ in TITLES}


def _sorted(methods: Sequence[Column], key: Callable[[Column], float]) -> list[str]:
    return [column.method for column in sorted(methods, key=key)]


def _closest(column: Column, metric: str) -> float:
    """Larger comes first."""
    average = column.average(metric)
    return LAST if average is None else -average


def _stored(column: Column) -> float:
    return _mean([run["footprint"]["stored"] for run in column.runs if run["footprint"]])


def _seconds(column: Column) -> float:
    return _mean([run["seconds"] for run in column.runs if run["seconds"] is not None])


def _mean(values: Sequence[float | int]) -> float:
    return fmean(values) if values else LAST
