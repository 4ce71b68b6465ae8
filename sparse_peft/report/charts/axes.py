"""Scales, round numbers and lines of a chart: where a value stands and what is written there."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

Number = float | int  # of a chart: pixels, steps, losses, values of comparison.json

INK, MUTED, RULE, CARD = (
    "var(--ink,#1C1B1A)",
    "var(--muted,#5C5954)",
    "var(--rule,#DDDAD4)",
    "var(--card,#FFFFFF)",
)
WIDTH, HEIGHT = 560, 400
LEFT, RIGHT, TOP, BOTTOM = 58, 22, 18, 62


@dataclass(frozen=True)
class Axis:
    """A direction of a chart: its title, and what its rules at `anchors` mean."""

    title: str
    anchors: tuple[tuple[Number, str], ...] = ()


@dataclass(frozen=True)
class Scale:
    """A straight map from values to pixels."""

    low: Number
    high: Number
    start: Number
    end: Number

    def __call__(self, value: Number) -> Number:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def padded(values: Sequence[Number]) -> tuple[Number, Number]:
    """The range of the values with a little room on both sides."""
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def ticks(low: Number, high: Number) -> list[Number]:
    """About four round numbers between low and high."""
    step = 10.0 ** floor(log10((high - low) / 2.5))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 5:
            step *= factor
            break
    first = floor(low / step) + 1
    return [i * step for i in range(first, floor(high / step) + 1)]


def rules(
    axis: Axis, scale: Scale, *, vertical: bool, log: bool = False, end: Number = WIDTH - RIGHT
) -> list[str]:
    """SVG of an axis: its lines, its numbers and its title.

    Args:
        end: where the lines of a vertical axis end.
    """
    lines = []
    for value in ticks(scale.low, scale.high):
        word = f"{10.0**value:.3g}" if log else f"{round(value, 10):g}"
        anchored = any(abs(value - anchor) < 1e-9 for anchor, _ in axis.anchors)
        lines.append(_tick(scale(value), word, vertical=vertical, strong=anchored, end=end))
    return [*lines, _title(axis.title, scale, vertical=vertical)]


def named_rules(
    title: str, places: Sequence[tuple[Number, str]], scale: Scale, *, vertical: bool
) -> list[str]:
    """The same with lines at given places, each with its own word."""
    lines = [_tick(scale(at), word, vertical=vertical, strong=False) for at, word in places]
    return [*lines, _title(title, scale, vertical=vertical)]


def _title(text: str, scale: Scale, *, vertical: bool) -> str:
    middle = (scale.start + scale.end) / 2
    if vertical:
        place = f'transform="translate(14 {middle:.0f}) rotate(-90)"'
    else:
        place = f'x="{middle:.0f}" y="{HEIGHT - 10}"'
    return f'<text class="axis" {place} text-anchor="middle" fill="{INK}">{escape(text)}</text>'


def _tick(
    at: Number, word: str, *, vertical: bool, strong: bool, end: Number = WIDTH - RIGHT
) -> str:
    colour = MUTED if strong else RULE
    if vertical:
        line, place = f"M{LEFT} {at:.1f}H{end:g}", f'x="{LEFT - 8}" y="{at + 5:.1f}"'
    else:
        line, place = (
            f"M{at:.1f} {TOP}V{HEIGHT - BOTTOM}",
            f'x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}"',
        )
    anchor = "end" if vertical else "middle"
    return (
        f'<path d="{line}" stroke="{colour}" stroke-width="1"/>'
        f'<text class="tick" {place} text-anchor="{anchor}" fill="{MUTED}">{word}</text>'
    )
