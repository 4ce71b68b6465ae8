"""SVG of scatter, loss curves and bars: one writer for the page, the report and exports.

Colours are CSS variables with the light value as fallback, so a chart follows its page into the
dark and stands alone as a file. Every text is escaped here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.axes import (
    BOTTOM,
    CARD,
    HEIGHT,
    INK,
    LEFT,
    RIGHT,
    RULE,
    TOP,
    WIDTH,
    Axis,
    Number,
    Scale,
    padded,
    rules,
)
from sparse_peft.report.marks import VIEW, Identity, hue, shapes

LABEL_WIDTH, LABEL_HEIGHT = 8.5, 18  # room for a letter, generous enough for the phone's size
GAP = 10  # around a mark's centre: no name there
REACHES = (14, 34, 58, 86)  # how far from its mark a name may stand
AROUND = ((1, -1), (-1, -1), (1, 1), (-1, 1))


@dataclass(frozen=True)
class Point:
    """One column in the scatter; `path` is its way from the base, oldest first."""

    name: str
    look: Identity
    x: Interval
    y: Interval
    path: tuple[tuple[Number, Number], ...] = ()
    labelled: bool = True
    """whether the name is written; a method trained several times is named once"""
    method: str = ""
    """what its parts are marked with, for a page that brings one method forward"""


@dataclass(frozen=True)
class Curve:
    """A loss by step."""

    name: str
    look: Identity
    points: tuple[tuple[Number, Number], ...]
    method: str = ""
    """as in a Point"""


def scatter(points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Columns as marks with cross-shaped intervals; rules where the anchors lie."""
    across = _scale(
        [_ends(p.x) for p in points], [p.path for p in points], 0, x, LEFT, WIDTH - RIGHT
    )
    up = _scale([_ends(p.y) for p in points], [p.path for p in points], 1, y, HEIGHT - BOTTOM, TOP)
    names = _names(points, across, up)
    body = [
        *rules(x, across, vertical=False),
        *rules(y, up, vertical=True),
        *(_path(point, across, up) for point in points),
        *(_cross(point, across, up) for point in points),
        *(_mark_at(point, across(point.x.mean), up(point.y.mean)) for point in points),
        *names,
    ]
    described = "; ".join(
        f"{p.name}: {x.title} {p.x.mean:.2f}, {y.title} {p.y.mean:.2f}" for p in points
    )
    return _figure(f"{y.title} against {x.title}. {described}", body)


def loss_curves(curves: Sequence[Curve], *, log: bool = False) -> str:
    """Loss by step: each step faint, the mean of a twentieth of the steps as a line."""
    drawn = [
        Curve(
            c.name,
            c.look,
            tuple((s, log10(v) if log else v) for s, v in c.points if v > 0 or not log),
            c.method,
        )
        for c in curves
    ]
    drawn = [curve for curve in drawn if curve.points]
    steps = [step for curve in drawn for step, _ in curve.points] or [0.0, 1.0]
    losses = [loss for curve in drawn for _, loss in curve.points] or [0.0, 1.0]
    across = Scale(0.0, max(steps), LEFT, WIDTH - RIGHT)
    up = Scale(*padded(losses if log else [0.0, *losses]), HEIGHT - BOTTOM, TOP)
    body = [
        *rules(Axis("step"), across, vertical=False),
        *rules(Axis("loss, log scale" if log else "loss"), up, vertical=True, log=log),
        *(_line(curve, curve.points, across, up, faint=True) for curve in drawn),
        *(_line(curve, running_mean(curve.points), across, up) for curve in drawn),
    ]
    return _figure("Loss by step of " + ", ".join(curve.name for curve in drawn), body)


def running_mean(points: Sequence[tuple[Number, Number]]) -> tuple[tuple[Number, Number], ...]:
    """Centred mean over a twentieth of the points, narrower at both ends."""
    half = max(len(points) // 40, 0)
    smooth = []
    for i, (step, _) in enumerate(points):
        reach = min(half, i, len(points) - 1 - i)
        near = points[i - reach : i + reach + 1]
        smooth.append((step, sum(loss for _, loss in near) / len(near)))
    return tuple(smooth)


def dot_bar(
    look: Identity,
    average: Interval,
    dots: Sequence[Number],
    span: tuple[Number, Number],
    anchors: Sequence[Number] = (),
) -> str:
    """A bar from low to high, a tick at the mean, one dot a picture, lines at the anchors."""
    width, height = 220, 30
    across = Scale(*span, 6, width - 6)
    middle = height / 2
    body = [
        f'<path d="M{across(anchor):.1f} 0V{height}" stroke="{RULE}" stroke-width="1"/>'
        for anchor in anchors
    ]
    for i, value in enumerate(dots):
        lift = (i * 0.618034 % 1.0 - 0.5) * (height - 8)  # golden steps: no two neighbours overlap
        body.append(
            f'<circle cx="{across(value):.1f}" cy="{middle + lift:.1f}" r="2" fill="{hue(look)}"'
            ' fill-opacity=".4"/>'
        )
    low, high = _ends(average)
    body.append(
        f'<path d="M{across(low):.1f} {middle}H{across(high):.1f}" stroke="{hue(look)}"'
        ' stroke-width="3"/>'
        f'<path d="M{across(average.mean):.1f} {middle - 8}v16" stroke="{INK}" stroke-width="2"/>'
    )
    return (
        f'<svg class="dots" viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(body)}</svg>'
    )


def _of(part: Point | Curve) -> str:
    return f' data-method="{escape(part.method)}"' if part.method else ""


def _mark_at(point: Point, x: Number, y: Number) -> str:
    half = VIEW / 2
    return (
        f'<g class="mark"{_of(point)} transform="translate({x - half:.1f} {y - half:.1f})"'
        f' style="color:{hue(point.look)}"><title>{escape(point.name)}</title>'
        f'<circle cx="{half:g}" cy="{half:g}" r="8" fill="{CARD}"/>{shapes(point.look)}</g>'
    )


def _figure(description: str, body: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(description)}">{"".join(body)}</svg>'
    )


def _ends(value: Interval) -> tuple[Number, Number]:
    low = value.mean if value.low is None else value.low
    high = value.mean if value.high is None else value.high
    return low, high


def _scale(
    ends: Sequence[tuple[Number, Number]],
    paths: Sequence[Sequence[tuple[Number, Number]]],
    side: int,
    axis: Axis,
    start: Number,
    end: Number,
) -> Scale:
    values = [value for pair in ends for value in pair]
    values += [step[side] for path in paths for step in path]
    values += [value for value, _ in axis.anchors]
    return Scale(*padded(values or [0.0, 1.0]), start, end)


def _line(
    part: Point | Curve,
    points: Sequence[tuple[Number, Number]],
    x: Scale,
    y: Scale,
    *,
    faint: bool = False,
) -> str:
    line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    width, opacity = (1, 0.16) if faint else (2, 1)
    dash = "" if faint else part.look.dash
    return (
        f'<polyline{_of(part)} points="{line}" fill="none" stroke="{hue(part.look)}"'
        f' stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dash}"'
        ' stroke-linejoin="round"/>'
    )


def _path(point: Point, x: Scale, y: Scale) -> str:
    if not point.path:
        return ""
    line = _line(point, (*point.path, (point.x.mean, point.y.mean)), x, y)
    stops = "".join(
        f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2" fill="{hue(point.look)}"/>'
        for a, b in point.path[1:]
    )
    return f'<g class="way"{_of(point)} opacity=".55">{line}{stops}</g>'


def _cross(point: Point, x: Scale, y: Scale) -> str:
    left, right = (x(end) for end in _ends(point.x))
    low, high = (y(end) for end in _ends(point.y))
    return (
        f'<path class="cross"{_of(point)} d="M{left:.1f} {y(point.y.mean):.1f}H{right:.1f}'
        f'M{x(point.x.mean):.1f} {low:.1f}V{high:.1f}" stroke="{hue(point.look)}"'
        ' stroke-width="1.5" fill="none"/>'
    )


def _names(points: Sequence[Point], x: Scale, y: Scale) -> list[str]:
    """Each name at the nearest place around its mark where nothing else stands."""
    marks = [(x(p.x.mean), y(p.y.mean)) for p in points]
    taken = [(a - GAP, b - GAP, a + GAP, b + GAP) for a, b in marks]
    words = []
    for point, (a, b) in zip(points, marks, strict=True):
        if not point.labelled:
            continue
        width = len(point.name) * LABEL_WIDTH
        places = [
            (a + across * reach - (width if across < 0 else 0), b + up * reach - LABEL_HEIGHT / 2)
            for reach in REACHES
            for across, up in AROUND
        ]
        left, top = next((p for p in places if _free(*p, width, taken)), places[0])
        taken.append((left, top, left + width, top + LABEL_HEIGHT))
        words.append(
            f'<text class="name"{_of(point)} x="{left:.1f}" y="{top + 13:.1f}" fill="{INK}">'
            f"{escape(point.name)}</text>"
        )
        if not -GAP < left - a < REACHES[0] + 1 and not -GAP < a - left - width < REACHES[0] + 1:
            end = left if left > a else left + width
            words.append(
                f'<path class="name"{_of(point)} d="M{a:.1f} {b:.1f}'
                f'L{end:.1f} {top + LABEL_HEIGHT / 2:.1f}"'
                f' stroke="{INK}" stroke-width=".75"/>'
            )
    return words


def _free(
    left: Number, top: Number, width: Number, taken: Sequence[tuple[Number, Number, Number, Number]]
) -> bool:
    inside = left >= LEFT and left + width <= WIDTH and top >= 0 and top <= HEIGHT - BOTTOM
    return inside and all(
        left > box[2] or left + width < box[0] or top > box[3] or top + LABEL_HEIGHT < box[1]
        for box in taken
    )
