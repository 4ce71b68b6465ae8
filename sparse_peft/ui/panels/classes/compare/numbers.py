"""The numbers of a few-shot comparison: metrics, costs, curves, what a paper needs, files."""

from collections.abc import Mapping, Sequence
from html import escape

from sparse_peft.report.classes.curves import by_step, by_step_table
from sparse_peft.report.classes.lines import Line, lines, many
from sparse_peft.report.classes.setup import setup
from sparse_peft.report.classes.tables import class_table, costs_table, metrics_table
from sparse_peft.report.tables import smooth_table
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.classes.compare.board import first_losses, loss_lines
from sparse_peft.ui.panels.classes.compare.files import files
from sparse_peft.ui.panels.numbers.parts import commands, loss_box, part, reading_box
from sparse_peft.ui.panels.opened import Opened

READING = (
    "A loss tells that training runs, not which result is better: accuracy on pictures that were "
    "held out does. The methods see the same pictures in the same order."
)


def numbers(desk: Desk, found: Opened, errors: Mapping[str, str]) -> str:
    """All of it, by what there is so far."""
    rows = lines(found.comparison)
    paper = "".join(
        f"<dt>{escape(head)}</dt><dd>{escape(text)}</dd>" for head, text in setup(found.comparison)
    )
    return f"""{_tables(found, rows)}{_curves(found, rows)}
{part("paper", "For a paper", f'<dl class="setup">{paper}</dl>')}
{part("commands", "Command lines", _commands(found, rows))}{files(desk, found, rows, errors)}"""


def _tables(found: Opened, rows: Sequence[Line]) -> str:
    if not any(row.metric("accuracy") for row in rows):
        return ""
    each = class_table(found.comparison)
    each = each if many(found.comparison) else _scrolled(each)  # of many it has a box already
    return f"""<section class="card"><h2>Metrics</h2>{metrics_table(found.comparison)}</section>
{part("each", "Class by class", each, shown=True)}
<section class="card"><h2>Costs</h2>{costs_table(found.comparison)}</section>"""


def _scrolled(table: str) -> str:
    """In a box of its own, which keys can scroll where a screen does not hold it."""
    return (
        '<div class="classes-scroll" role="region" aria-label="Accuracy class by class"'
        f' tabindex="0">{table}</div>'
    )


def _curves(found: Opened, rows: Sequence[Line]) -> str:
    """After the training; while it goes on, the middle of the page shows them."""
    curves = loss_lines(rows)
    if found.at_work or not curves:
        return ""
    steps = by_step(found.comparison) + by_step_table(found.comparison)
    body = (
        f'<div class="two"><div><h3>Accuracy on held-out pictures</h3>{steps}</div>'
        f"<div><h3>Loss</h3>{loss_box(curves, _twin(rows))}</div></div>{reading_box(READING)}"
    )
    return part("curves", "Training curves", body, shown=True)


def _twin(rows: Sequence[Line]) -> str:
    return smooth_table({row.label: told for row in rows if (told := first_losses(row))})


def _commands(found: Opened, rows: Sequence[Line]) -> str:
    told = [("All", found.comparison["command"])]
    told += [(row.label, row.row["runs"][0]["command"]) for row in rows if row.trained]
    return commands(told)
