"""What of a person's runs works or waits, and what of the page has moved since it was drawn."""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sparse_peft.methods import method_named
from sparse_peft.outcome import BESIDE
from sparse_peft.planning import AnyPlan, ComparisonPlan, PlannedRun
from sparse_peft.planning.classes import PlannedClassRun
from sparse_peft.report.classes.words import REFERENCES
from sparse_peft.runs.store import RunRow
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch import remaining
from sparse_peft.ui.watch.watcher import UNFINISHED, Live, Watcher, stamp, watcher

__all__ = ["Live", "Part", "Standing", "Watcher", "pulse", "strip_of", "versions", "watcher"]

PANELS = ("strip", "heading", "matrix", "numbers", "history")
NAMES_WATCHED = 50  # comparisons, the newest ones
LEFT_SECONDS = 10  # less would not be said otherwise
CURVE_STEPS = 25  # between two drawings of the curves
_CHANGES = {
    "running": "started", "finished": "finished", "cancelled": "stopped",
    "interrupted": "interrupted",
}  # fmt: skip
LATER = {  # what a finished comparison is asked for, as it is told when it has changed
    "generate": "The new prompt", "classify": "Your picture", "merge": "The checkpoint",
}  # fmt: skip
_BADLY = {"failed": "Stopped: {}", "cancelled": "Stopped.", "interrupted": "Interrupted."}
_PROCESS = secrets.token_hex(4)  # another one after a restart: the page asks for everything anew


@dataclass(frozen=True)
class Part:
    """One training run on the strip."""

    label: str
    method: str
    family: str
    live: Live

    @property
    def percent(self) -> int:
        """Of its steps."""
        return 100 * self.live.step // self.live.steps if self.live.steps else 0


@dataclass(frozen=True)
class Standing:
    """A comparison that is not finished."""

    comparison: str
    state: Literal["running", "waiting", "interrupted"]
    prepare: Live
    parts: tuple[Part, ...]
    later: Live | None
    """a prompt to draw, a picture to classify or a checkpoint to make, at work or waiting"""
    ahead: int
    """runs of anybody that come before it, where it waits"""
    ahead_seconds: float | None
    seconds_left: float | None
    """of the comparison itself; None where nothing tells"""


def strip_of(desk: Desk) -> list[Standing]:
    """The person's comparisons in which something runs, waits or was interrupted."""
    watch = watcher(desk.home)
    return [_standing(watch, comparison) for comparison in watch.owned(desk.owner).unfinished]


def _standing(watch: Watcher, comparison: str) -> Standing:
    plan = watch.plan(comparison)
    lives = watch.runs(comparison)
    states = {live.state for live in lives.values()}
    running, stuck = "running" in states, lives[plan.prepare].state == "interrupted"
    waiting = not running and "queued" in states and not stuck
    before = _before(watch.rows(), comparison) if waiting else []
    later = [live for live in lives.values() if live.kind in LATER]
    labels = _labels(plan)
    return Standing(
        comparison,
        "running" if running else "waiting" if waiting else "interrupted",
        lives[plan.prepare],
        tuple(_part(run, labels[run.run], lives[run.run]) for run in plan.runs),
        next((live for live in later if live.state in UNFINISHED), None),
        len(before),
        _together(watch, [watch.seconds_left(row) for row in before]),
        _left(watch, list(lives.values())),
    )


def _part(run: PlannedRun | PlannedClassRun, label: str, live: Live) -> Part:
    return Part(label, run.method, method_named(run.method).family, live)


def _labels(plan: AnyPlan) -> dict[str, str]:
    """The name of each training by its run: LoRA; or LoRA 2 for its second one."""
    if isinstance(plan, ComparisonPlan):
        repeats = {run.run: run.id.removeprefix(run.method).removeprefix("-") for run in plan.runs}
    else:
        several = len(plan.shared.seeds) > 1
        repeats = {run.run: str(run.training.seed) if several else "" for run in plan.runs}
    return {
        run.run: f"{method_named(run.method).label} {repeats[run.run]}".strip() for run in plan.runs
    }


def _before(rows: Sequence[RunRow], comparison: str) -> list[RunRow]:
    """What is done before the first run of a comparison begins."""
    stuck = {r.comparison for r in rows if r.kind == "prepare" and r.state == "interrupted"}
    found = []
    for row in rows:
        if row.comparison == comparison and row.state == "queued":
            break
        if row.state == "running" or (row.state == "queued" and row.comparison not in stuck):
            found.append(row)
    return found


def _left(watch: Watcher, lives: Sequence[Live]) -> float | None:
    """The shared run first, then all others side by side."""
    first = [live.seconds_left for live in lives if live.kind == "prepare"]
    rest = [live.seconds_left for live in lives if live.kind != "prepare"]
    parts = (_together(watch, first), _together(watch, rest))
    return None if parts[0] is None or parts[1] is None else parts[0] + parts[1]


def _together(watch: Watcher, lefts: Sequence[float | None]) -> float | None:
    known = [left for left in lefts if left is not None]
    return remaining.makespan(known, remaining.lanes(watch.home)) if known == lefts else None


def pulse(desk: Desk, seen: Mapping[str, str]) -> dict[str, Any]:
    """What has changed since the versions that a page has seen, and a sentence about it."""
    watch = watcher(desk.home)
    standing = strip_of(desk)
    now = _versions(desk, watch, standing)
    return {
        "busy": any(one.state != "interrupted" for one in standing),
        "moved": [panel for panel in PANELS if now[panel] != seen.get(panel)],
        "versions": now,
        "said": _said(desk, watch, seen.get("runs", "")),
    }


def versions(desk: Desk) -> dict[str, str]:
    """Of each panel, what it would show at this moment, in brief; another after every change."""
    return _versions(desk, watcher(desk.home), strip_of(desk))


def _versions(desk: Desk, watch: Watcher, standing: Sequence[Standing]) -> dict[str, str]:
    asked = (desk.open or "").split(BESIDE)
    opened = [row for one in asked if one for row in watch.rows(one) if row.owner == desk.owner]
    told = [watch.told(row.id) for row in opened]
    pictures = [
        (row.id, row.state, len(t.samples), len(t.accuracies))
        for row, t in zip(opened, told, strict=True)
    ]
    curves = [(t.stage, t.step // CURVE_STEPS) for t in told]
    mine = watch.owned(desk.owner)
    newest = mine.comparisons[-NAMES_WATCHED:]
    return {
        "strip": _hash(map(_strip_version, standing)),
        "heading": _hash([*pictures, *curves, *_named(desk, {row.comparison for row in opened})]),
        "matrix": _hash([*pictures, *_moving(watch, opened, curves)]),
        "numbers": _hash([*pictures, *curves]),
        "history": _hash([mine.version, *_named(desk, newest)]),
        "runs": ",".join(
            f"{r.id}:{r.state}" for r in mine.rows if r.state in ("queued", "running")
        ),
        "server": _PROCESS,
    }


def _moving(watch: Watcher, opened: Sequence[RunRow], curves: Sequence[object]) -> Sequence[object]:
    """What else the middle of the page shows: of classes, curves that grow as it trains."""
    plans = [watch.plan(row.comparison) for row in opened[:1] if row.comparison]
    return [] if any(isinstance(plan, ComparisonPlan) for plan in plans) else curves


def _named(desk: Desk, comparisons: Iterable[str | None]) -> list[int]:
    """What changes when one of them is given a name."""
    stamps = [stamp(desk.home / "comparisons" / one) for one in comparisons if one]
    return [found[0] for found in stamps if found]


def _strip_version(one: Standing) -> object:
    parts = [
        (part.live.state, part.percent, part.live.stage, part.live.stopping) for part in one.parts
    ]
    later = one.later and (one.later.kind, one.later.state, one.later.done)
    prepare = one.prepare.state, one.prepare.stage, one.prepare.stopping
    left = [
        seconds and seconds // LEFT_SECONDS for seconds in (one.seconds_left, one.ahead_seconds)
    ]
    return one.comparison, prepare, parts, later, one.ahead, left


def _hash(facts: Iterable[object]) -> str:
    return hashlib.sha256(repr(list(facts)).encode()).hexdigest()[:12]


def _said(desk: Desk, watch: Watcher, before: str) -> str:
    """What became of the runs that were at work or waited, as one would tell it."""
    told = dict(entry.split(":", 1) for entry in before.split(",") if ":" in entry)
    mine = watch.owned(desk.owner).rows if told else ()
    changed = [row for row in mine if told.get(row.id, row.state) != row.state]
    sentences: list[str] = []
    for comparison in dict.fromkeys(row.comparison for row in changed):
        if comparison:
            rows = [row for row in changed if row.comparison == comparison]
            sentences += _sentences(watch, comparison, rows)
    return " ".join(sentences)


def _sentences(watch: Watcher, comparison: str, changed: Sequence[RunRow]) -> list[str]:
    for row in changed:
        if row.kind == "prepare" and row.state in _BADLY:
            return [_BADLY[row.state].format(row.error)]  # the others ended with it
    plan = watch.plan(comparison)
    names = _labels(plan)
    ends: defaultdict[str, list[str]] = defaultdict(list)
    for row in changed:
        name = "" if row.kind == "prepare" else names.get(row.id, LATER.get(row.kind, ""))
        ends[row.state].append(name)
    said = [_shared(plan)] if "" in ends["finished"] else []
    for state, word in _CHANGES.items():
        labels = [label for label in ends[state] if label]
        said += [f"{_listed(labels)} {word}."] if labels else []
    said += [f"{names[row.id]} stopped: {row.error}" for row in changed
             if row.state == "failed" and row.id in names]  # fmt: skip
    trains = [row.state for row in watch.rows(comparison) if row.kind == "train"]
    left = sum(state in ("queued", "running") for state in trains)
    if any(row.kind == "train" and row.state not in ("queued", "running") for row in changed):
        said.append(f"{left} run{'' if left == 1 else 's'} left." if left else "No run left.")
    return said


def _shared(plan: AnyPlan) -> str:
    if isinstance(plan, ComparisonPlan):
        return "The base's pictures are drawn."
    first = REFERENCES[plan.references[0]]
    return f"{first[:1].upper()}{first[1:]} is measured."


def _listed(labels: Sequence[str]) -> str:
    *first, last = labels
    return f"{', '.join(first)} and {last}" if first else last
