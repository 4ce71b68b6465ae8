"""The numbers of the Compare tab: metrics, costs, training curves, what a paper needs, files."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.errors import UserError
from sparse_peft.report import sections
from sparse_peft.report.charts import Curve, loss_curves
from sparse_peft.report.marks import Identity, hue, mark_svg
from sparse_peft.report.summaries import costs_table, entries, losses_table, metrics_table
from sparse_peft.ui.desk import Desk
from sparse_peft.ui.panels.numbers_files import files
from sparse_peft.ui.panels.opened import Opened, opened

Comparison = Mapping[str, Any]


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The numbers of what is open; nothing where nothing is."""
    del errors  # nothing here asks for anything
    try:
        found = opened(desk)
    except UserError:  # the heading says why
        found = None
    if found is None:
        return {"html": "", "data": None}
    comparison = found.comparison
    html = f"""{_tables(found)}{_curves(found)}
{_part("paper", "For a paper", f'<dl class="setup">{sections.setup(comparison)}</dl>')}
{_part("commands", "Command lines", _commands(comparison))}{files(desk, found)}"""
    return {"html": html, "data": {"comparison": found.id}}


def _part(name: str, title: str, body: str, *, shown: bool = False) -> str:
    return (
        f'<section class="card"><details class="numbers-part" data-part="{name}"'
        f"{' open' if shown else ''}><summary><h2>{title}</h2></summary>{body}</details></section>"
    )


def _tables(found: Opened) -> str:
    """The twins of the plots: every value that they show stands here."""
    comparison = found.comparison
    if not comparison["base"]["metrics"]["subject_fidelity"]:
        if found.at_work or not comparison["runs"]:
            return ""
        why = "No judge measured these pictures." if not comparison["judge"] else ""
        costs = costs_table(comparison)
        return f'<section class="card"><h2>Costs</h2>{costs}<p>{why}</p></section>'
    return f"""<section class="card"><h2>Metrics</h2>{metrics_table(comparison)}
<p class="muted">A bar shows where the average could lie (95 %), its tick the average, each dot one
picture.</p></section><section class="card"><h2>Costs</h2>{costs_table(comparison)}</section>"""


def _curves(found: Opened) -> str:
    curves = [
        Curve(name, column.look, _points(run["losses"]), column.method)
        for column, name, run in entries(found.comparison)[1:]
        if run["losses"]
    ]
    if not curves:
        if not found.at_work:
            return ""
        soon = "<p>They begin with the first step.</p>"
        return _part("curves", "Training curves", soon, shown=True)
    key = "".join(
        f'<span data-method="{escape(curve.method)}">{_dash(curve.look)}{mark_svg(curve.look)}'
        f" {escape(curve.name)}</span>"
        for curve in curves
    )
    body = f"""<div class="two"><div class="numbers-curves"><p class="key">{key}</p>
<div class="numbers-switches"><label><input type="checkbox" name="smooth" checked> smooth</label>
<label><input type="checkbox" name="log"> log scale</label></div>
<div class="numbers-linear">{loss_curves(curves)}</div>
<div class="numbers-log">{loss_curves(curves, log=True)}</div>
{losses_table(found.comparison)}</div>
<div class="reading"><p>A loss tells that training runs, not which result is better: the methods see
the same pictures, timesteps and noise at each step, but a lower loss can mean a remembered
background.</p><p>Faint: each step. Line: the mean over a twentieth of all steps.</p></div></div>"""
    return _part("curves", "Training curves", body, shown=True)


def _points(losses: Sequence[Sequence[float | int]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(step), float(loss)) for step, loss in losses)


def _dash(look: Identity) -> str:
    return (
        '<svg class="numbers-dash" width="32" height="12" viewBox="0 0 32 12" aria-hidden="true">'
        f'<path d="M0 6H32" stroke="{hue(look)}" stroke-width="2" stroke-dasharray="{look.dash}"/>'
        "</svg>"
    )


def _commands(comparison: Comparison) -> str:
    lines = [("All", comparison["command"])]
    lines += [(name, run["command"]) for _, name, run in entries(comparison)[1:]]
    return "".join(
        f'<div class="numbers-command"><h3>{escape(name)}</h3>'
        f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
        '<button type="button" class="button" data-copy hidden'
        f' aria-label="Copy the command line of {escape(name)}">Copy</button></div>'
        for name, text in lines
    )
