"""The parts of a few-shot comparison's offline page, put where its template wants them."""

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

from PIL import Image

from sparse_peft.report.classes import sections
from sparse_peft.report.classes.bars import accuracy_bars
from sparse_peft.report.classes.confusion import confusions, dialog_data
from sparse_peft.report.classes.curves import by_step, by_step_table
from sparse_peft.report.classes.lines import Comparison
from sparse_peft.report.classes.tables import class_table, costs_table, metrics_table
from sparse_peft.report.pictures import Read

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
        "bars": accuracy_bars(comparison),
        "lines": sections.footprints(comparison),
        "steps": by_step(comparison) + by_step_table(comparison),
        "metrics": metrics_table(comparison),
        "by_class": class_table(comparison),
        "confusions": confusions(comparison),
        "costs": costs_table(comparison),
        "losses": sections.losses(comparison),
        "setup": sections.setup(comparison),
        "commands": sections.commands(comparison),
        "data": dialog_data(comparison, pictures),
    }


def _embedded(content: bytes) -> str:
    """A thumbnail as a data URI; a photograph as a JPEG, for there may be hundreds."""
    if len(content) <= SMALL:
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
