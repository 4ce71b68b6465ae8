"""Accuracies as a chart places them: the scale in per cent, and the level that guessing reaches."""

from collections.abc import Sequence

from sparse_peft.report.charts.axes import BOTTOM, HEIGHT, MUTED, TOP, Number, Scale
from sparse_peft.report.classes.lines import Comparison

FEW_POINTS = 5  # per cent: the vertical axis spans at least so much
ROOM = 0.08  # of what the values span, above and below them
DASH = "6 4"


def upward(values: Sequence[Number]) -> Scale:
    """The vertical axis in per cent: around the values, at most 0 to 100."""
    low, high = min(values), max(values)
    room = max((high - low) * ROOM, (FEW_POINTS - (high - low)) / 2)
    return Scale(max(0.0, low - room), min(100.0, high + room), HEIGHT - BOTTOM, TOP)


def guessing(comparison: Comparison) -> float:
    """The accuracy, 0 to 1, of naming one of the learned classes by chance."""
    return 1 / len(comparison["classes"])


def guessing_words(comparison: Comparison) -> str:
    """That level by its name: guessing, 10 %."""
    return f"guessing, {100 * guessing(comparison):.3g} %"


def guessing_line(comparison: Comparison, across: Scale, up: Scale) -> str:
    """A quiet line through a chart; "" where the chart does not reach down to it."""
    level = 100 * guessing(comparison)
    if not up.low <= level <= up.high:
        return ""
    return (
        f'<path class="guessing" d="M{across.start:.1f} {up(level):.1f}H{across.end:.1f}"'
        f' stroke="{MUTED}" stroke-width="1" stroke-dasharray="{DASH}"/>'
    )


def guessing_key(comparison: Comparison, *, drawn: bool = True) -> str:
    """The entry of a chart's key for it.

    Args:
        drawn: whether the line is on the chart; else it is said that it would lie below.
    """
    if not drawn:
        return f'<span class="muted">{guessing_words(comparison)}: below this chart</span>'
    return (
        '<span class="muted"><svg width="24" height="8" aria-hidden="true"><line x1="0" x2="24"'
        f' y1="4" y2="4" stroke="{MUTED}" stroke-width="1" stroke-dasharray="{DASH}"/></svg> '
        f"{guessing_words(comparison)}</span>"
    )
