"""The line of all methods: a mark and a name each, to leave them out and to put them in order."""

from collections.abc import Mapping, Sequence
from html import escape

from sparse_peft.report.groups import Side
from sparse_peft.report.marks import HUES, mark_svg

TICKED, FAMILY = "ticked", "family"  # the orders that every page has


def legend(sides: Sequence[Side], fixed: str, orders: Sequence[tuple[str, str]]) -> str:
    """One box to tick a method, families together; the script that serves it shows it.

    Args:
        fixed: what is always in view: what all others are seen beside.
        orders: the entries of the menu, each with its title.
    """
    known = {side.method: side for side in sides}
    names = by_family({side.method: side.look.family for side in sides})
    chips = "".join(
        _name(known[name]) if name == fixed else _chip(known[name])
        for name in sorted(names, key=lambda name: name != fixed)
    )
    options = "".join(f'<option value="{key}">{escape(title)}</option>' for key, title in orders)
    return (
        '<div class="legend" role="group" aria-label="Methods in view" hidden>'
        f'<div class="legend-names">{chips}</div>'
        f'<label class="legend-order"><span>Order</span> <select class="field" data-view="order">'
        f"{options}</select></label>"
        '<button type="button" class="legend-all" hidden>Show all</button></div>'
    )


def _chip(side: Side) -> str:
    name = escape(side.method)
    return (
        f'<label data-trace="{name}"><input type="checkbox" name="in-view" value="{name}" checked>'
        f"<span>{mark_svg(side.look)} {escape(side.label)}</span></label>"
    )


def _name(side: Side) -> str:
    return (
        f'<span class="legend-fixed" data-trace="{escape(side.method)}">{mark_svg(side.look)} '
        f"{escape(side.label)}</span>"
    )


def by_family(families: Mapping[str, str]) -> list[str]:
    """Names in the order of their families' hues; inside a family as they come."""
    hues = list(HUES)
    return sorted(families, key=lambda name: hues.index(families[name]))
