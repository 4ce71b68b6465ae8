"""Parts of the numbers that every task has: what folds away, loss curves, command lines."""

from collections.abc import Sequence
from html import escape

from sparse_peft.report.charts.losses import Curve, loss_curves, penalties
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import Identity, hue, mark_svg

SOON = "They begin with the first step."


def part(name: str, title: str, body: str, *, shown: bool = False) -> str:
    """A card that folds away and stays as a person left it."""
    return (
        f'<section class="card"><details class="numbers-part" data-part="{name}"'
        f"{' open' if shown else ''}><summary><h2>{title}</h2></summary>{body}</details></section>"
    )


def losses(curves: Sequence[Curve], table: str, reading: str) -> str:
    """Loss curves beside what they tell, and what not.

    Args:
        table: the same as a table, as HTML.
    """
    return f'<div class="two">{loss_box(curves, table)}{reading_box(reading)}</div>'


def reading_box(reading: str) -> str:
    """How loss curves are read."""
    return f"""<div class="reading"><p>{escape(reading)}</p><p>Faint: each step. Line: the mean over
a twentieth of all steps.</p></div>"""


def loss_box(curves: Sequence[Curve], table: str) -> str:
    """Loss curves with their key and their switches, and the table below."""
    key = "" if len(curves) >= MANY - 1 else _key(curves)
    return f"""<div class="numbers-curves">{key}
<div class="numbers-switches"><label><input type="checkbox" name="smooth" checked> smooth</label>
<label><input type="checkbox" name="log"> log scale</label></div>
<div class="numbers-linear">{loss_curves(curves)}</div>
<div class="numbers-log">{loss_curves(curves, log=True)}</div>
{penalties(curves)}{table}</div>"""


def _key(curves: Sequence[Curve]) -> str:
    """The names above the curves; of many they stand at the ends of their lines."""
    names = "".join(
        f'<span data-method="{escape(curve.method)}" data-trace="{escape(curve.method)}">'
        f"{_dash(curve.look)}{mark_svg(curve.look)} {escape(curve.name)}</span>"
        for curve in curves
    )
    return f'<p class="key">{names}</p>'


def points(told: Sequence[Sequence[float | int]]) -> tuple[tuple[float, float], ...]:
    """Pairs of step and loss as a chart takes them."""
    return tuple((float(step), float(loss)) for step, loss in told)


def commands(lines: Sequence[tuple[str, str]]) -> str:
    """Command lines, each with what it repeats and a button that copies it."""
    return "".join(
        f'<div class="numbers-command"><h3>{escape(name)}</h3>'
        f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
        '<button type="button" class="button" data-copy hidden'
        f' aria-label="Copy the command line of {escape(name)}">Copy</button></div>'
        for name, text in lines
    )


def _dash(look: Identity) -> str:
    return (
        '<svg class="numbers-dash" width="32" height="12" viewBox="0 0 32 12" aria-hidden="true">'
        f'<path d="M0 6H32" stroke="{hue(look)}" stroke-width="2" stroke-dasharray="{look.dash}"/>'
        "</svg>"
    )
