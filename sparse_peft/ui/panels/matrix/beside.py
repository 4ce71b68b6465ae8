"""Below the matrix: both fidelities against each other, and two pictures under a divider."""

from collections.abc import Sequence
from html import escape

from sparse_peft.report.columns import MANY, Column
from sparse_peft.report.subject import sections
from sparse_peft.ui.panels.matrix.cells import BLANK
from sparse_peft.ui.panels.opened import Opened

READING = (
    "Further right looks more like your pictures, further up follows the prompt more closely. A "
    "cross shows where the average could lie with other prompts and seeds; the faint line shows "
    "the same method at earlier steps."
)


def beside(found: Opened, shown: Sequence[Column]) -> str:
    """Side by side on a desktop, one under the other on a phone."""
    many = " matrix-many" if len(shown) >= MANY else ""
    return f"""<section class="card two matrix-beside{many}"><div>
<h2>Fidelity to the subject and to the prompt</h2>{_scatter(found)}</div>{_pair(shown)}</section>"""


def _scatter(found: Opened) -> str:
    runs = found.comparison["runs"]
    measured = any(run["metrics"]["subject_fidelity"] or run["way"] for run in runs)
    if not measured and found.at_work:
        return '<p class="muted">Drawn with the first pictures of a method.</p>'
    return f'{sections.scatter(found.comparison)}<p class="small">{READING}</p>'


def _pair(shown: Sequence[Column]) -> str:
    options = "".join(
        f'<option value="{escape(column.method)}">{escape(column.label)}</option>'
        for column in shown
    )
    selects = "".join(
        f'<label><span class="unseen">{title}</span><select class="field" data-pair="{side}">'
        f"{options}</select></label>"
        for side, title in (("left", "Picture on the left"), ("right", "Picture on the right"))
    )
    return f"""<div class="pair"><h2>Two pictures</h2><div class="pair-choice">{selects}</div>
<div class="pair-frame"><img class="right" src="{BLANK}" alt="" draggable="false">
<img class="left" src="{BLANK}" alt="" draggable="false"><i aria-hidden="true"></i></div>
<input type="range" class="pair-cut" min="0" max="100" value="50"
aria-label="Divider: how much of the left picture is seen"><p class="small pair-text"></p></div>"""
