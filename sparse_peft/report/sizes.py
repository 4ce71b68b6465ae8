"""What each method trains, keeps and changes, and how far sizes at one budget are apart."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.marks import Identity, mark_svg

LARGE_GAP = 0.05  # of the largest size, from which on a gap is told


def uneven(budget: int | None, sizes: Sequence[tuple[str, int]]) -> str:
    """A sentence where methods at one budget differ much in size; "" where they do not.

    Args:
        budget: None where there was none for all of them.
        sizes: names of methods, and how many numbers each trains at a time; those beyond the
            budget are flagged elsewhere, or have no size that could be set, and do not count.
    """
    within = [size for size in sizes if budget is not None and size[1] <= budget]
    if len(within) < 2:
        return ""
    (least, few), (most, many) = (pick(within, key=lambda size: size[1]) for pick in (min, max))
    if many - few <= LARGE_GAP * many:
        return ""
    gap = 100 * (many - few) / many
    return (
        f"At one budget of {budget:,} the sizes are up to {gap:.0f} % apart ({least} {few:,}, "
        f"{most} {many:,}): a method grows in steps of its own, and they do not all reach it."
    )


def told(budget: int | None, methods: Sequence[tuple[Identity, str, Mapping[str, Any]]]) -> str:
    """A line for each method, by its look, name and footprint; then how far apart they are."""
    lines = "".join(
        f"<p>{mark_svg(look)} <b>{escape(label)}.</b> {escape(words.footprint(footprint))}</p>"
        for look, label, footprint in methods
    )
    gap = uneven(budget, [(label, footprint["active"]) for _, label, footprint in methods])
    return f'<div class="lines">{lines}{f"<p>{escape(gap)}</p>" if gap else ""}</div>'
