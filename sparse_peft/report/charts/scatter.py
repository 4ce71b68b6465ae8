"""Columns as marks in two directions, with their intervals and the ways that they came.

Colours are CSS variables with the light value as fallback, so a chart follows its page into the
dark and stands alone as a file. Every text is escaped where it is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.charts import strokes
from sparse_peft.report.charts.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Number,
    Scale,
    padded,
    rules,
)
from sparse_peft.report.charts.names import GAP, Name, around
from sparse_peft.report.charts.strokes import Place, ends, of
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import Identity, hue


@dataclass(frozen=True)
class Point:
    """One column in the scatter; `path` is its way from the base, oldest first."""

    name: str
    look: Identity
    x: Interval
    y: Interval
    path: tuple[Place, ...] = ()
    labelled: bool = True
    """whether the name is written; a method trained several times is named once"""
    method: str = ""
    """what its parts are marked with, for a page that brings one method forward"""


def scatter(points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Columns as marks with cross-shaped intervals; rules where the anchors lie."""
    many = len(points) >= MANY
    across = _scale([p.x for p in points], _passed(points, 0), x, LEFT, WIDTH - RIGHT, many=many)
    up = _scale([p.y for p in points], _passed(points, 1), y, HEIGHT - BOTTOM, TOP, many=many)
    body = [
        *rules(x, across, vertical=False),
        *rules(y, up, vertical=True),
        *(_path(point, across, up) for point in points),
        *(_cross(point, across, up) for point in points),
        *(_mark(point, across, up) for point in points),
        *_names(points, across, up),
    ]
    described = "; ".join(
        f"{p.name}: {x.title} {p.x.mean:.2f}, {y.title} {p.y.mean:.2f}" for p in points
    )
    return strokes.figure(f"{y.title} against {x.title}. {described}", body, many=many)


def _passed(points: Sequence[Point], side: int) -> list[Number]:
    """Values that the ways pass in one direction."""
    return [step[side] for point in points for step in point.path]


def _scale(
    values: Sequence[Interval],
    passed: Sequence[Number],
    axis: Axis,
    start: Number,
    end: Number,
    *,
    many: bool,
) -> Scale:
    """A scale that holds intervals, ways and anchors.

    Of many points it holds the middle half of each interval, so that they stand apart: what reaches
    further is cut at the edge, an anchor without a point near it is left out.
    """
    reached = [ends(value) for value in values]
    if many:
        held = [low + share * (high - low) for low, high in reached for share in (0.25, 0.75)]
    else:
        held = [each for pair in reached for each in pair]
        held += [*passed, *(value for value, _ in axis.anchors)]
    return Scale(*padded(held or [0.0, 1.0]), start, end)


def _mark(point: Point, x: Scale, y: Scale) -> str:
    at = point.x.mean, point.y.mean
    return strokes.mark(point.look, at, x, y, method=point.method, title=point.name)


def _path(point: Point, x: Scale, y: Scale) -> str:
    if not point.path:
        return ""
    way = (*point.path, (point.x.mean, point.y.mean))
    line = strokes.line(point.look, way, x, y, method=point.method)
    stops = "".join(
        f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2" fill="{hue(point.look)}"/>'
        for a, b in point.path[1:]
    )
    return f'<g class="way"{of(point.method)} opacity=".55">{line}{stops}</g>'


def _cross(point: Point, x: Scale, y: Scale) -> str:
    left, right = (_inside(x, x(end)) for end in ends(point.x))
    low, high = (_inside(y, y(end)) for end in ends(point.y))
    return (
        f'<path class="cross"{of(point.method)} d="M{left:.1f} {y(point.y.mean):.1f}H{right:.1f}'
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
