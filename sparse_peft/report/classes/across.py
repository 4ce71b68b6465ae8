"""Accuracy against shots and against budget, over several comparisons on one data set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from math import log2
from typing import Any, NamedTuple

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report import words
from sparse_peft.report.charts import strokes
from sparse_peft.report.charts.axes import LEFT, RIGHT, WIDTH, Axis, Scale, named_rules, rules
from sparse_peft.report.charts.names import ENDS_WIDTH, Name, at_ends
from sparse_peft.report.classes.levels import guessing_key, guessing_line, upward
from sparse_peft.report.classes.lines import Comparison
from sparse_peft.report.columns import MANY
from sparse_peft.report.marks import Identity, hue, identities

ASIDE, MOST_ASIDE = 6, 36  # pixels between two rows at one place; of all of them together


class Stop(NamedTuple):
    """A point of a way: where it is, and the accuracy there."""

    at: float
    value: Interval


class Way(NamedTuple):
    """The accuracy of one row along something."""

    label: str
    look: Identity
    stops: tuple[Stop, ...]
    method: str


def across(comparisons: Sequence[Comparison]) -> str:
    """Accuracy against shots and against budget, over comparisons on one data set.

    Each is drawn where there are two or more, and everything else is alike: of the others, the
    largest group. "" where neither can be drawn.
    """
    by_shots = _largest(comparisons, "shots", "budget")
    by_budget = _largest(comparisons, "budget", "shots")
    found = []
    if by_shots:
        title = _said("Accuracy against shots", by_shots[0]["budget"], "trainable values")
        found.append((title, "training pictures of each class", "shots", by_shots))
    if by_budget:
        title = _said("Accuracy against budget", by_budget[0]["shots"], "shots")
        found.append((title, "trainable values", "budget", by_budget))
    return "".join(
        f"<div><h3>{escape(title)}</h3>{_along(group, key, axis)}</div>"
        for title, axis, key, group in found
    )


def _said(title: str, number: int | None, unit: str) -> str:
    return title if number is None else f"{title}, {words.count(number)} {unit}"


def _largest(comparisons: Sequence[Comparison], key: str, same: str) -> list[Comparison]:
    """Comparisons with the most values of `key`, alike in the rest; none with fewer than two."""
    groups: dict[Any, dict[Any, Comparison]] = {}
    for one in comparisons:
        if one[key] is not None:
            groups.setdefault(_rest(one, same), {})[one[key]] = one
    most = max(groups.values(), key=len, default={})
    return [most[value] for value in sorted(most)] if len(most) > 1 else []


def _rest(one: Comparison, same: str) -> tuple[Any, ...]:
    """What two comparisons on one line have in common; with the same shots, the steps too."""
    steps = {
        run["settings"].get("steps") for row in one["runs"] for run in row["runs"] if run["run"]
    }
    return (
        one[same], one["backbone"]["id"], one["preset"], one["template"], tuple(one["classes"]),
        json.dumps(one.get("recipe"), sort_keys=True),
        frozenset(steps) if same == "shots" else None,
    )  # fmt: skip


def _along(group: Sequence[Comparison], key: str, axis: str) -> str:
    ways = _ways(group, key)
    ends = [end for way in ways for stop in way.stops for end in strokes.ends(stop.value)]
    places = [one[key] for one in group]
    room = (log2(places[-1]) - log2(places[0])) * 0.06
    right = WIDTH - (ENDS_WIDTH if len(ways) >= MANY else RIGHT)
    across = Scale(log2(places[0]) - room, log2(places[-1]) + room, LEFT, right)
    up = upward([100 * end for end in ends])
    many = len(ways) >= MANY
    beside = [
        _moved(across, number - (len(ways) - 1) / 2, len(ways)) for number in range(len(ways))
    ]
    drawn = list(zip(ways, beside, strict=True))
    level = guessing_line(group[0], across, up)
    body = [
        *named_rules(axis, [(log2(p), words.count(p)) for p in places], across, vertical=False),
        *rules(Axis("accuracy, %"), up, vertical=True, end=across.end),
        level,
        *(strokes.line(way.look, _straight(way), own, up, method=way.method)
          for way, own in drawn),
        *(_whisker(way, stop, own, up) for way, own in drawn for stop in way.stops),
        *(strokes.mark(way.look, (stop.at, 100 * stop.value.mean), own, up, method=way.method)
          for way, own in drawn for stop in way.stops),
        *(at_ends([_name(way, own, up) for way, own in drawn]) if many else ()),
    ]  # fmt: skip
    described = "; ".join(
        f"{way.label}: " + ", ".join(f"{stop.value.mean:.1%}" for stop in way.stops) for way in ways
    )
    names = [] if many else [(way.label, way.look, way.method) for way in ways]
    return strokes.key(names, [guessing_key(group[0], drawn=bool(level))]) + strokes.figure(
        f"{axis}. {described}", body, many=many
    )


def _name(way: Way, across: Scale, up: Scale) -> Name:
    last = way.stops[-1]
    return Name(way.label, way.look, across(last.at), up(100 * last.value.mean), way.method)


def _moved(across: Scale, places: float, ways: int) -> Scale:
    """The scale for one of several ways: a little aside, so that no whisker hides another."""
    aside = places * min(ASIDE, MOST_ASIDE / ways)
    return replace(across, start=across.start + aside, end=across.end + aside)


def _ways(group: Sequence[Comparison], key: str) -> list[Way]:
    """Every row that some comparison has measured, along the comparisons."""
    rows: dict[str, Mapping[str, Any]] = {}
    stops: dict[str, list[Stop]] = {}
    for one in group:
        for row in one["runs"]:
            value = words.measured(row["metrics"]["accuracy"])
            if value:
                rows.setdefault(row["method"], row)
                stops.setdefault(row["method"], []).append(Stop(log2(one[key]), value))
    looks = identities([(method, row["family"]) for method, row in rows.items()])
    return [Way(row["label"], looks[name], tuple(stops[name]), name) for name, row in rows.items()]


def _straight(way: Way) -> list[strokes.Place]:
    return [(stop.at, 100 * stop.value.mean) for stop in way.stops]


def _whisker(way: Way, stop: Stop, across: Scale, up: Scale) -> str:
    low, high = (up(100 * end) for end in strokes.ends(stop.value))
    return (
        f'<path class="cross" data-method="{escape(way.method)}"'
        f' d="M{across(stop.at):.1f} {low:.1f}V{high:.1f}" stroke="{hue(way.look)}"'
        ' stroke-width="1.5"/>'
    )
