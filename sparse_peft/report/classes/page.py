"""The parts of a few-shot comparison's offline page, put where its template wants them."""

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

from PIL import Image

from sparse_peft.report.classes import orders, sections, words
from sparse_peft.report.classes.bars import accuracy_bars
from sparse_peft.report.classes.confusion import confusions, dialog_data
from sparse_peft.report.classes.curves import by_step, by_step_table
from sparse_peft.report.classes.lines import Comparison, lines, many
from sparse_peft.report.classes.tables import class_table, costs_table, metrics_table
from sparse_peft.report.groups import Side
from sparse_peft.report.legend import legend
from sparse_peft.report.pictures import Read
from sparse_peft.report.tables import EACH_TRAINS, folded

SMALL = 4_000  # bytes up to which a thumbnail is embedded as it is
QUALITY = 85


def fields(comparison: Comparison, read: Read) -> Mapping[str, Any]:
    """What the template names.

    Args:
        read: gives the picture at a path of the comparison.
    """
    pictures = {place: _embedded(read(path)) for place, path in comparison["examples"].items()}
    return {
        "title": escape(sections.title(comparison)),
        "subtitle": escape(sections.subtitle(comparison)),
        "verdict": sections.verdict(comparison),
        "classes": sections.class_names(comparison),
        "legend": _legend(comparison),
        "bars": accuracy_bars(comparison),
        "lines": _lines(comparison),
        "steps": by_step(comparison) + by_step_table(comparison),
        "reference": escape(words.of_reference(comparison)),
        "tick": words.BESIDE[comparison["reference"]],
        "metrics": metrics_table(comparison),
        "by_class": class_table(comparison),
        "confusions": confusions(comparison),
        "costs": costs_table(comparison),
        "losses": sections.losses(comparison),
        "setup": sections.setup(comparison),
        "commands": _commands(comparison),
        "data": dialog_data(comparison, pictures) | {"orders": orders.orders(lines(comparison))},
    }


def _legend(comparison: Comparison) -> str:
    """The line of all rows, where they are many."""
    if not many(comparison):
        return ""
    sides = [Side(line.method, line.label, line.look) for line in lines(comparison)]
    return legend(sides, comparison["reference"], orders.TITLES)


def _lines(comparison: Comparison) -> str:
    """What each method trains, keeps and changes; of many, on demand."""
    lines = sections.footprints(comparison)
    return folded(EACH_TRAINS, lines) if many(comparison) else lines


def _commands(comparison: Comparison) -> str:
    """The command lines; of many methods on demand."""
    commands = sections.commands(comparison)
    return folded("All command lines", commands) if many(comparison) else commands


def _embedded(content: bytes) -> str:
    """A thumbnail as a data URI; a photograph as a JPEG, for there may be hundreds."""
    if len(content) <= SMALL:
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
