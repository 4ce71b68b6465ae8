"""Parts of a line chart of accuracies: lines, marks, the scale in per cent, and the key."""

from collections.abc import Sequence
from html import escape

from sparse_peft.report.axes import BOTTOM, CARD, HEIGHT, TOP, WIDTH, Number, Scale
from sparse_peft.report.marks import VIEW, Identity, hue, mark_svg, shapes

FEW_POINTS = 5  # per cent: the vertical axis spans at least so much

Point = tuple[Number, Number]  # where along the chart, accuracy


def upward(values: Sequence[Number]) -> Scale:
    """The vertical axis in per cent: around the values, at most 0 to 100."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.08, (FEW_POINTS - (high - low)) / 2)
    return Scale(max(0.0, low - room), min(100.0, high + room), HEIGHT - BOTTOM, TOP)


def line(
    look: Identity,
    points: Sequence[Point],
    across: Scale,
    up: Scale,
    *,
    faint: bool = False,
    method: str = "",
) -> str:
    """A row's line, in its hue and dash; faint for one of several that it is the mean of."""
    way = " ".join(f"{across(at):.1f},{up(100 * value):.1f}" for at, value in points)
    width, opacity, dash = (1, 0.3, "") if faint else (2, 1, look.dash)
    return (
        f'<polyline{_of(method)} points="{way}" fill="none" stroke="{hue(look)}"'
        f' stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dash}"'
        ' stroke-linejoin="round"/>'
    )


def mark(look: Identity, at: Point, across: Scale, up: Scale, method: str = "") -> str:
    """A row's mark at a point, on a disc of the card's colour."""
    half = VIEW / 2
    x, y = across(at[0]), up(100 * at[1])
    return (
        f'<g class="mark" transform="translate({x - half:.1f} {y - half:.1f})"'
        f' style="color:{hue(look)}"{_of(method)}>'
        f'<circle cx="{half:g}" cy="{half:g}" r="8" fill="{CARD}"/>'
        f"{shapes(look)}</g>"
    )


def key(names: Sequence[tuple[str, Identity]]) -> str:
    """The names above a chart, each with its mark."""
    said = " ".join(f"<span>{mark_svg(look)} {escape(label)}</span>" for label, look in names)
    return f'<p class="key">{said}</p>'


def _of(method: str) -> str:
    return f' data-method="{escape(method)}"' if method else ""


def figure(description: str, body: Sequence[str], *, many: bool = False) -> str:
    """The chart, with a description for those who cannot see it."""
    return (
        f'<svg class="chart{" many" if many else ""}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(description)}">{"".join(body)}</svg>'
    )
