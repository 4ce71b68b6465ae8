"""The middle of the Compare tab where it is about classes: bars, a picture to try, confusions."""

from collections.abc import Sequence
from html import escape
from typing import Any

from sparse_peft.report.charts.losses import Curve, loss_curves, penalised, penalties
from sparse_peft.report.classes import orders
from sparse_peft.report.classes.across import across
from sparse_peft.report.classes.bars import accuracy_bars
from sparse_peft.report.classes.confusion import confusions, shown_first
from sparse_peft.report.classes.curves import by_step
from sparse_peft.report.classes.lines import Line, lines, many
from sparse_peft.report.groups import Side
from sparse_peft.report.legend import legend
from sparse_peft.report.marks import mark_svg
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ZERO_SHOT
from sparse_peft.ui.classes.compare.likes import likes
from sparse_peft.ui.comparisons import naming
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.panels.classes.compare.trying import data as try_data
from sparse_peft.ui.panels.classes.compare.trying import trying
from sparse_peft.ui.panels.numbers.parts import SOON, points
from sparse_peft.ui.panels.opened import Opened

SCRIPTS = (
    "popup", "camera", "drop", "classes/compare/trying", "classes/compare/drawer",
    "classes/compare/opening", "classes/compare/compare",
)  # fmt: skip
READING = (
    "A bar shows how many of the test pictures were recognised{draws}. The dotted line is {first}."
)
FIRST = {
    ZERO_SHOT: "CLIP before any training",
    LINEAR_PROBE: "the linear probe: the backbone as it came, with a head of its own",
}
DRAWS = ", over all draws of the shots"
OPENS = "Shown first: the first measured method, as what training changed is the question."


def render(desk: Desk, found: Opened) -> dict[str, Any]:
    """All of it, by what there is so far."""
    rows = lines(found.comparison)
    html = (
        f"{_legend(found, rows)}{_marks(rows)}{_training(found, rows)}{_accuracy(found, rows)}"
        f"{trying(desk, found, rows)}{_confusion(found, rows)}"
        f"{_across(desk, found)}"
    )
    data = {
        "comparison": None,  # of the matrix, which has nothing here
        "confusion": _rows(found, rows),
        "orders": orders.orders(rows),
        "trying": try_data(found) if found.alone else None,
    }
    return {"html": html, "data": data}


def loss_lines(rows: Sequence[Line]) -> list[Curve]:
    """A loss curve for each method that has one."""
    return [
        Curve(row.label, row.look, points(told), row.row["method"], penalised(row.row))
        for row in rows
        if (told := first_losses(row))
    ]


def first_losses(row: Line) -> Sequence[Sequence[float | int]]:
    """Steps and losses of a method's first training that has come to a step."""
    return next((run["losses"] for run in row.row["runs"] if run["losses"]), ())


def _legend(found: Opened, rows: Sequence[Line]) -> str:
    """The line of all rows, where they are many."""
    if not many(found.comparison):
        return ""
    sides = [Side(row.row["method"], row.label, row.look) for row in rows]
    return legend(sides, found.comparison["reference"], orders.TITLES)


def _marks(rows: Sequence[Line]) -> str:
    """What the drawer of a cell copies."""
    marks = "".join(
        f'<span data-mark="{escape(row.row["id"])}">{mark_svg(row.look)}</span>' for row in rows
    )
    return f'<div hidden class="classes-marks">{marks}</div>'


def _training(found: Opened, rows: Sequence[Line]) -> str:
    """While it trains: accuracy and loss by step, as they come."""
    if not found.at_work:
        return ""
    curves = loss_lines(rows)
    losses = loss_curves(curves) + penalties(curves) if curves else f'<p class="muted">{SOON}</p>'
    measured = any(row.row["history"] for row in rows)
    steps = by_step(found.comparison) if measured else '<p class="muted">With the first check.</p>'
    return f"""<section class="card two classes-training"><div><h2>Accuracy so far</h2>{steps}</div>
<div><h2>Training loss</h2>{losses}</div></section>"""


def _accuracy(found: Opened, rows: Sequence[Line]) -> str:
    if not any(row.metric("accuracy") for row in rows):
        return ""
    draws = DRAWS if len(found.comparison["seeds"]) > 1 else ""
    first = FIRST[found.comparison["reference"]]
    return f"""<section class="card classes-card" aria-labelledby="classes-accuracy">
<h2 id="classes-accuracy">Accuracy</h2>{accuracy_bars(found.comparison)}
<p class="muted">{READING.format(draws=draws, first=first)}</p></section>"""


def _confusion(found: Opened, rows: Sequence[Line]) -> str:
    if not any(row.metric("accuracy") for row in rows):
        return ""
    first = shown_first(found.comparison)
    opens = OPENS if first and first.trained else ""
    return f"""<section class="card classes-card"><h2>What was taken for what</h2>
<div class="classes-scroll">{confusions(found.comparison)}</div>
<p class="muted">{opens} A mistake opens its pictures.</p></section>"""


def _rows(found: Opened, rows: Sequence[Line]) -> dict[str, Any]:
    """What the drawer of a mistake reads."""
    comparison = found.comparison
    return {
        "comparison": found.id,
        "classes": comparison["classes"],
        "seeds": len(comparison["seeds"]),
        "rows": {row.row["id"]: {"label": row.label} for row in rows},
    }


def _across(desk: Desk, found: Opened) -> str:
    """Accuracy against shots and budget, with links to the comparisons that are drawn."""
    if not found.alone:
        return ""
    alike = likes(desk, found.id)
    charts = across(list(alike.values()))
    if not charts:
        return ""
    links = "".join(f"<li>{_link(desk, one, found)}</li>" for one in alike)
    return f"""<section class="card classes-card"><h2>More shots, a larger budget</h2>
<div class="two">{charts}</div><p class="muted">From your comparisons on these pictures with this
backbone:</p><ul class="classes-likes">{links}</ul></section>"""


def _link(desk: Desk, one: str, found: Opened) -> str:
    name = naming.name_of(desk.home, one)
    if one == found.id:
        return f"<b>{escape(name)}</b> (this one)"
    return button(name, {"do": "open", "comparison": one}, " quiet")
