"""The rows of history that everyone has: the finished comparisons that come with the studio."""

from typing import Any

from sparse_peft.report import words
from sparse_peft.report.classes.lines import lines
from sparse_peft.report.columns import columns
from sparse_peft.ui.classes.compare.pictures import THUMBS as CLASSES_SHOWN
from sparse_peft.ui.comparisons import shipped
from sparse_peft.ui.panels.history.row import THUMBS, Row

Picture = tuple[str, str | None]


def examples() -> list[Row]:
    """One of a subject, and one of classes where it is there."""
    made = {shipped.SUBJECT: _subject, shipped.CLASSES: _classes}
    return [row() for comparison, row in made.items() if shipped.is_there(comparison)]


def _subject() -> Row:
    comparison = shipped.content(shipped.SUBJECT)
    shown, source = columns(comparison), shipped.source(shipped.SUBJECT)
    first = [(shown[0].label, comparison["base"]["samples"])]
    first += [(c.label, c.shown["samples"]) for c in shown[1 : THUMBS + 1] if c.shown]
    return Row(
        id=shipped.SUBJECT,
        name=f"A {comparison['noun']}, finished",
        methods=tuple((c.method, c.label, c.look) for c in shown[1:]),
        pictures=tuple((label, source(rows[0]["path"])) for label, rows in first),
        budget=comparison["budget"],
        state="Done",
        made=None,
    )


def _classes() -> Row:
    comparison = shipped.content(shipped.CLASSES)
    trained = [line for line in lines(comparison) if line.trained]
    count = words.small(len(comparison["classes"]))
    return Row(
        id=shipped.CLASSES,
        name=f"{count[:1].upper()}{count[1:]} classes, finished",
        methods=tuple((line.row["method"], line.label, line.look) for line in trained),
        pictures=tuple(_first_pictures(comparison)),
        budget=comparison["budget"],
        state="Done",
        made=None,
    )


def _first_pictures(comparison: dict[str, Any]) -> list[Picture]:
    """A test picture of each of the first classes of which one was kept."""
    found: dict[int, str] = {}
    for row in comparison["runs"]:
        for cell, entries in row["confused"].items():
            truth = int(cell.partition(",")[0])
            found.setdefault(truth, comparison["examples"][str(entries[0]["place"])])
    source = shipped.source(shipped.CLASSES)
    classes = comparison["classes"]
    return [(classes[truth], source(found[truth])) for truth in sorted(found)[:CLASSES_SHOWN]]
