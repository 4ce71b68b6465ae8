"""In which order the rows of a few-shot comparison stand."""

from collections.abc import Callable, Sequence

from sparse_peft.report.classes.lines import Line
from sparse_peft.report.legend import FAMILY, TICKED, by_family

TITLES = (
    (TICKED, "as ticked"),
    ("accuracy", "accuracy"),
    ("stored", "stored"),
    (FAMILY, "family"),
)


def orders(shown: Sequence[Line]) -> dict[str, list[str]]:
    """The rows as each entry of the menu puts them, references first where nothing is measured."""
    names = [line.method for line in shown]
    families = {line.method: line.look.family for line in shown}
    return {
        TICKED: names,
        "accuracy": _sorted(shown, _accuracy),
        "stored": _sorted(shown, _stored),
        FAMILY: by_family(families),
    }


def _sorted(shown: Sequence[Line], key: Callable[[Line], float]) -> list[str]:
    return [line.method for line in sorted(shown, key=key)]


def _accuracy(line: Line) -> float:
    value = line.metric("accuracy")
    return -value.mean if value else float("inf")


def _stored(line: Line) -> float:
    """Of a reference nothing is stored."""
    sizes = line.row["footprint"]
    return float(sizes["stored"]) if sizes else -1.0
