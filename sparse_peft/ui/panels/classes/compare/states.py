"""What the runs of a few-shot comparison are at, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sparse_peft.report.classes import lines as class_rows
from sparse_peft.ui.panels.heading.states import Line, Trained, lines_of
from sparse_peft.ui.panels.opened import Opened


def lines(found: Opened) -> list[Line]:
    """A line for each run of which there is something to say; what is said alike is said once."""
    rows, reference = class_rows.lines(found.comparison), found.comparison["reference"]
    first = next(row for row in rows if row.row["method"] == reference)  # made before all others
    trained = [Trained(row.look, _named(row.label, row.row["runs"])) for row in rows if row.trained]
    return _once(lines_of(found, (first.label, first.look), trained))


def _named(label: str, runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    several = len(runs) > 1
    return [(f"{label}, draw {run['seed']}" if several else label, run) for run in runs]


def _once(lines: Sequence[Line]) -> list[Line]:
    """Lines that differ in nothing but the draw become one: one error may end all of them."""
    found: dict[object, Line] = {}
    for line in lines:
        label = line.label.partition(", draw ")[0]
        key = (label, line.text, repr(line.buttons), repr(line.stops))
        same = found.get(key)
        if same is None:
            found[key] = line
        else:
            found[key] = replace(same, label=f"{same.label}, {line.label.rpartition(' ')[2]}")
    return list(found.values())
