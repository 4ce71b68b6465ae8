"""Losses by step: each step faint, their running mean as a line, linear or logarithmic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from math import log10
from typing import Any

from sparse_peft.report.charts import strokes
from sparse_peft.report.charts.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Scale,
    padded,
    rules,
)
from sparse_peft.report.charts.names import ENDS_WIDTH, Name, at_ends
from sparse_peft.report.charts.strokes import Place
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import Identity

FAINT = 0.16  # opacity of single steps; look.css hides them by it where methods are many
PENALTY = "orthogonality"  # the setting of a method that is the weight of such a penalty
SMOOTH = 40  # of so many points one stands on each side of a running mean: a twentieth in all


@dataclass(frozen=True)
class Curve:
    """A loss by step."""

    name: str
    look: Identity
    points: tuple[Place, ...]
    method: str = ""
    """what its parts are marked with, for a page that brings one method forward"""
    penalised: bool = False
    """whether the method adds a penalty to the loss, which the others do not"""


def loss_curves(curves: Sequence[Curve], *, log: bool = False) -> str:
    """Loss by step: each step faint, the mean of a twentieth of the steps as a line."""
    drawn = [_logarithmic(curve) for curve in curves] if log else list(curves)
    drawn = [curve for curve in drawn if curve.points]
    smooth = [(curve, running_mean(curve.points)) for curve in drawn]
    many = len(drawn) >= MANY - 1
    steps = [step for curve in drawn for step, _ in curve.points]
    losses = [loss for curve in drawn for _, loss in curve.points]
    if many:  # what single steps do is drawn for the one that is looked at
        losses = [loss for _, line in smooth for _, loss in line]
    across = Scale(
        0.0, max(steps, default=0.0) or 1.0, LEFT, WIDTH - (ENDS_WIDTH if many else RIGHT)
    )
    least = [] if log or many else [0.0]
    up = Scale(*padded([*least, *losses] or [0.0, 1.0]), HEIGHT - BOTTOM, TOP)
    title = Axis("loss, log scale" if log else "loss")
    body = [
        *rules(Axis("step"), across, vertical=False),
        *rules(title, up, vertical=True, log=log, end=across.end),
        *(_line(curve, curve.points, across, up, FAINT) for curve in drawn),
        *(_line(curve, line, across, up) for curve, line in smooth),
        *(at_ends([_end(curve, line, across, up) for curve, line in smooth]) if many else ()),
    ]
    described = "Loss by step of " + ", ".join(curve.name for curve in drawn)
    return strokes.figure(described, body, many=many)


def key(curves: Sequence[Curve]) -> str:
    """The names above a chart of losses; of many they stand at the ends of their lines."""
    if len(curves) >= MANY - 1:
        return ""
    return strokes.key([(curve.name, curve.look, curve.method) for curve in curves])


def penalised(run: Mapping[str, Any]) -> bool:
    """Whether the losses of a run, or of a row of runs, have a penalty in them."""
    return bool((run["fields"] or {}).get(PENALTY))


def penalties(curves: Sequence[Curve]) -> str:
    """HTML of which curves have a penalty in them; "" where none has."""
    named = [escape(curve.name) for curve in curves if curve.points and curve.penalised]
    if not named:
        return ""
    return (
        f'<p class="small">With a penalty of its own in the loss, for vectors that are not '
        f"orthogonal: {', '.join(named)}. It starts higher for that, and its height cannot be "
        "compared with the other lines.</p>"
    )


def running_mean(points: Sequence[Place]) -> tuple[Place, ...]:
    """Centred mean over a twentieth of the points, narrower at both ends."""
    half = len(points) // SMOOTH
    smooth = []
    for i, (step, _) in enumerate(points):
        reach = min(half, i, len(points) - 1 - i)
        near = points[i - reach : i + reach + 1]
        smooth.append((step, sum(loss for _, loss in near) / len(near)))
    return tuple(smooth)


def _logarithmic(curve: Curve) -> Curve:
    """The same with the logarithm of every loss that has one."""
    return replace(curve, points=tuple((step, log10(v)) for step, v in curve.points if v > 0))


def _line(
    curve: Curve, points: Sequence[Place], x: Scale, y: Scale, faint: float | None = None
) -> str:
    return strokes.line(curve.look, points, x, y, faint=faint, method=curve.method)


def _end(curve: Curve, line: Sequence[Place], x: Scale, y: Scale) -> Name:
    step, loss = line[-1]
    return Name(curve.name, curve.look, x(step), y(loss), curve.method)
