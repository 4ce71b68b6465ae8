"""The numbers of the Compare tab: metrics, costs, training curves, what a paper needs, files."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.errors import UserError
from sparse_peft.report.charts.losses import Curve, penalised
from sparse_peft.report.subject import sections
from sparse_peft.report.subject.tables import costs_table, entries, losses_table, metrics_table
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.classes.compare import numbers as compare_numbers
from sparse_peft.ui.panels.numbers.files import files
from sparse_peft.ui.panels.numbers.parts import SOON, commands, losses, part, points
from sparse_peft.ui.panels.opened import Opened, opened

READING = (
    "A loss tells that training runs, not which result is better: the methods see the same "
    "pictures, timesteps and noise at each step, but a lower loss can mean a remembered background."
)

Comparison = Mapping[str, Any]


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The numbers of what is open; nothing where nothing is."""
    try:
        found = opened(desk)
    except UserError:  # the heading says why
        found = None
    if found is None:
        return {"html": "", "data": None}
    if not found.subject:
        html = compare_numbers.numbers(desk, found, errors)
        return {"html": html, "data": {"comparison": found.id}}
    comparison = found.comparison
    html = f"""{_tables(found)}{_curves(found)}
{part("paper", "For a paper", f'<dl class="setup">{sections.setup(comparison)}</dl>')}
{part("commands", "Command lines", _commands(comparison))}{files(desk, found)}"""
    return {"html": html, "data": {"comparison": found.id}}


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
        Curve(name, column.look, points(run["losses"]), column.method, penalised(run))
        for column, name, run in entries(found.comparison)[1:]
        if run["losses"]
    ]
    if not curves:
        if not found.at_work:
            return ""
        return part("curves", "Training curves", f"<p>{SOON}</p>", shown=True)
    body = losses(curves, losses_table(found.comparison), READING)
    return part("curves", "Training curves", body, shown=True)


def _commands(comparison: Comparison) -> str:
    lines = [("All", comparison["command"])]
    return commands(lines + [(name, run["command"]) for _, name, run in entries(comparison)[1:]])
