"""In which order methods stand: as ticked, by family, or by something that was measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparse_peft.report.columns import BASE, Column
from sparse_peft.report.marks import HUES

TICKED, FAMILY = "ticked", "family"
TITLES = (
    (TICKED, "as ticked"),
    ("subject", "subject fidelity"),
    ("prompt", "prompt fidelity"),
    ("stored", "stored"),
    ("seconds", "training time"),
    (FAMILY, "family"),
)

Value = float | int | None
Key = Callable[[Mapping[str, Any]], Value]


def orders(shown: Sequence[Column]) -> dict[str, list[str]]:
    """The methods as each entry of the menu puts them, the base first; unmeasured ones last."""
    methods = [column for column in shown if column.method != BASE]
    families = {column.method: column.look.family for column in methods}
    keys: dict[str, Key] = {
        "subject": lambda run: _metric(run, "subject_fidelity"),
        "prompt": lambda run: _metric(run, "prompt_fidelity"),
        "stored": lambda run: run["footprint"] and run["footprint"]["stored"],
        "seconds": lambda run: run["seconds"],
    }
    runs = {column.method: column.shown or {} for column in methods}
    found = {name: _sorted(runs, key) for name, key in keys.items()}
    found |= {TICKED: list(runs), FAMILY: by_family(families)}
    return {name: [BASE, *found[name]] for name, _ in TITLES}


def by_family(families: Mapping[str, str]) -> list[str]:
    """Names in the order of their families' hues; inside a family as they come."""
    hues = list(HUES)
    return sorted(families, key=lambda name: hues.index(families[name]))


def _metric(run: Mapping[str, Any], name: str) -> Value:
    """Larger comes first."""
    metric = run["metrics"][name]
    return -metric["mean"] if metric else None


def _sorted(runs: Mapping[str, Mapping[str, Any]], key: Key) -> list[str]:
    def place(name: str) -> float:
        value = key(runs[name]) if runs[name] else None
        return float("inf") if value is None else float(value)

    return sorted(runs, key=place)
