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
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import VIEW, Identity, hue, mark_svg, shapes
from sparse_peft.report.names import ENDS_WIDTH, GAP, Name, around, at_ends

Ends = tuple[Number, Number]


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
    many = len(points) >= MANY
    span = _near if many else _scale
    paths = [point.path for point in points]
    across = span([_ends(p.x) for p in points], paths, 0, x, LEFT, WIDTH - RIGHT)
    up = span([_ends(p.y) for p in points], paths, 1, y, HEIGHT - BOTTOM, TOP)
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
    return _figure(f"{y.title} against {x.title}. {described}", body, many=many)


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
    many = len(drawn) >= MANY - 1
    across = Scale(0.0, max(steps), LEFT, WIDTH - (ENDS_WIDTH if many else RIGHT))
    smooth = [(curve, running_mean(curve.points)) for curve in drawn]
    if many:  # what single steps do is drawn for the one that is looked at
        losses = [loss for _, line in smooth for _, loss in line]
    up = Scale(*padded(losses if log or many else [0.0, *losses]), HEIGHT - BOTTOM, TOP)
    body = [
        *rules(Axis("step"), across, vertical=False),
        *rules(
            Axis("loss, log scale" if log else "loss"), up, vertical=True, log=log, end=across.end
        ),
        *(_line(curve, curve.points, across, up, faint=True) for curve in drawn),
        *(_line(curve, line, across, up) for curve, line in smooth),
        *(at_ends([_end(curve, line, across, up) for curve, line in smooth]) if many else ()),
    ]
    described = "Loss by step of " + ", ".join(curve.name for curve in drawn)
    return _figure(described, body, many=many)


def key(curves: Sequence[Curve]) -> str:
    """The names above a chart of losses; of many they stand at the ends of their lines."""
    if len(curves) >= MANY - 1:
        return ""
    names = (
        f'<span data-trace="{escape(c.method)}">{mark_svg(c.look)} {escape(c.name)}</span>'
        for c in curves
    )
    return f'<p class="key">{" ".join(names)}</p>'


def _end(curve: Curve, line: Sequence[tuple[Number, Number]], x: Scale, y: Scale) -> Name:
    step, loss = line[-1]
    return Name(curve.name, curve.look, x(step), y(loss), curve.method)


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


def _figure(description: str, body: Sequence[str], *, many: bool = False) -> str:
    return (
        f'<svg class="chart{" many" if many else ""}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(description)}">{"".join(body)}</svg>'
    )


def _ends(value: Interval) -> tuple[Number, Number]:
    low = value.mean if value.low is None else value.low
    high = value.mean if value.high is None else value.high
    return low, high


def _near(
    ends: Sequence[Ends],
    paths: Sequence[Sequence[Ends]],
    side: int,
    axis: Axis,
    start: Number,
    end: Number,
) -> Scale:
    """A scale for many points: the middle half of each interval, so that they stand apart.

    What reaches further is cut at the edge; an anchor without a point near it is left out.
    """
    del paths, side, axis
    values = [
        value for low, high in ends for value in (_between(low, high, q) for q in (0.25, 0.75))
    ]
    return Scale(*padded(values or [0.0, 1.0]), start, end)


def _between(low: Number, high: Number, share: float) -> Number:
    return low + share * (high - low)


def _scale(
    ends: Sequence[Ends],
    paths: Sequence[Sequence[Ends]],
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
    left, right = (_inside(x, x(end)) for end in _ends(point.x))
    low, high = (_inside(y, y(end)) for end in _ends(point.y))
    return (
        f'<path class="cross"{_of(point)} d="M{left:.1f} {y(point.y.mean):.1f}H{right:.1f}'
        f'M{x(point.x.mean):.1f} {low:.1f}V{high:.1f}" stroke="{hue(point.look)}"'
        ' stroke-width="1.5" fill="none"/>'
    )


def _inside(scale: Scale, at: Number) -> Number:
    """The pixel, or the nearest one on the chart."""
    return min(max(at, min(scale.start, scale.end)), max(scale.start, scale.end))


def _names(points: Sequence[Point], x: Scale, y: Scale) -> list[str]:
    """The names around their marks; of many those that find no place wait to be asked for."""
    named = [
        Name(point.name, point.look, x(point.x.mean), y(point.y.mean), point.method)
        for point in points
    ]
    taken = [(n.x - GAP, n.y - GAP, n.x + GAP, n.y + GAP) for n in named]
    shown = [name for name, point in zip(named, points, strict=True) if point.labelled]
    return around(shown, taken, must=len(points) < MANY)
