"""What all runs of a home do at this moment: the store's rows with what their events tell."""

import hashlib
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from sparse_peft.planning import AnyPlan, PlannedRun, read_plan
from sparse_peft.planning.classes import PlannedClassRun
from sparse_peft.runs import spec
from sparse_peft.runs.events import Event
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import State
from sparse_peft.runs.store import RunRow, Store
from sparse_peft.ui.watch import remaining
from sparse_peft.ui.watch.following import Follower, Told
from sparse_peft.ui.watch.remaining import Cost

Kept = TypeVar("Kept")

MOST_RUNS, MOST_PLANS, MOST_COSTS = 512, 1024, 2048  # kept in memory
UNFINISHED = ("queued", "running", "interrupted")
LOOKED_BACK = 24  # finished runs, for one that tells what another will take
_SETTLING_SECONDS = 0.1  # two changes within a tick of the file clock look like one
_Mark = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Live:
    """A run as it stands."""

    id: str
    comparison: str | None
    kind: str
    state: State
    device: str
    """the slot it is or was on; empty before the first"""
    stopping: bool
    """whether it has been asked to stop and has not yet"""
    attempt: int
    step: int
    steps: int
    """as planned; 0 for a run that does not train"""
    saved: int
    """the step of its newest checkpoint"""
    stage: str | None
    done: int
    of: int
    stage_seconds: float
    """since the stage began"""
    seconds_left: float | None
    samples: tuple[Event, ...]
    losses: tuple[tuple[int, float], ...]
    kept: bool
    """whether what a stopped run has learned is there"""
    error: str | None
    note: str | None
    accuracies: tuple[tuple[int, float], ...] = ()
    """step and held-out accuracy, of a run that learns classes"""


@dataclass(frozen=True)
class Owned:
    """What the store holds of one person."""

    rows: tuple[RunRow, ...] = ()
    comparisons: tuple[str, ...] = ()
    """ids, oldest first"""
    unfinished: tuple[str, ...] = ()
    """of those, the ones in which something runs, waits or was interrupted"""
    version: str = ""
    """another one after every change of a state"""


class Watcher:
    """All runs of a home, each file read once; for many threads, with bounded memory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lock = threading.RLock()
        self._followers: OrderedDict[str, Follower] = OrderedDict()
        self._plans: OrderedDict[str, AnyPlan] = OrderedDict()
        self._costs: OrderedDict[str, Cost | None] = OrderedDict()
        self._mark: _Mark | None = None
        self._rows: dict[str | None, tuple[RunRow, ...]] = {}
        self._all: tuple[RunRow, ...] = ()
        self._owned: dict[str, Owned] = {}

    def rows(self, comparison: str | None = None) -> tuple[RunRow, ...]:
        """The store's rows in the order of submission: all, or those of one comparison."""
        with self._lock:
            mark = _mark(self.home)
            if mark != self._mark:
                with Store(self.home) as store:
                    self._all = tuple(store.runs())
                grouped: defaultdict[str | None, list[RunRow]] = defaultdict(list)
                for row in self._all:
                    grouped[row.comparison].append(row)
                self._rows = {key: tuple(rows) for key, rows in grouped.items()}
                self._owned = {}
                self._mark = mark if _settled(self.home) else None
            return self._all if comparison is None else self._rows.get(comparison, ())

    def owned(self, owner: str) -> Owned:
        """What the store holds of a person."""
        with self._lock:
            rows = self.rows()
            if owner not in self._owned:
                self._owned[owner] = _owned(tuple(row for row in rows if row.owner == owner))
            return self._owned[owner]

    def told(self, run_id: str) -> Told:
        """What the events of a run tell by now."""
        with self._lock:
            path = RunDirectory.of(self.home, run_id).path / "events.jsonl"
            return _kept(self._followers, run_id, MOST_RUNS, lambda: Follower(path)).look()

    def plan(self, comparison: str) -> AnyPlan:
        """What a comparison was asked to be; it never changes.

        Raises:
            SpecError: there is no such file, or it cannot be read.
        """
        path = self.home / "comparisons" / comparison / "comparison.json"
        with self._lock:
            return _kept(
                self._plans, comparison, MOST_PLANS,
                lambda: read_plan(spec.read_comparison_spec(path)),
            )  # fmt: skip

    def runs(self, comparison: str) -> dict[str, Live]:
        """All runs of a comparison by id, in the order of submission."""
        return {row.id: self.live(row) for row in self.rows(comparison)}

    def live(self, row: RunRow) -> Live:
        """A run as it stands."""
        told = self.told(row.id)
        planned = self._planned(row)
        cancel = RunDirectory.of(self.home, row.id).path / "cancel"
        return Live(
            id=row.id,
            comparison=row.comparison,
            kind=row.kind,
            state=row.state,
            device=row.device or "",
            stopping=row.state == "running" and cancel.exists(),
            attempt=max(row.attempts, told.attempt),
            step=told.step,
            steps=planned.training.steps if planned else 0,
            saved=told.saved,
            stage=told.stage,
            done=told.done,
            of=told.of,
            stage_seconds=max(0.0, time.time() - told.stage_at) if told.stage else 0.0,
            seconds_left=self.seconds_left(row),
            samples=told.samples,
            losses=told.losses,
            kept=bool((told.end or {}).get("kept")),
            error=row.error,
            note=row.note,
            accuracies=told.accuracies,
        )

    def seconds_left(self, row: RunRow) -> float | None:
        """Of a run that works or waits; None where nothing tells."""
        if row.state not in ("queued", "running"):
            return 0.0
        planned = self._planned(row)
        folder = RunDirectory.of(self.home, row.id).path
        spent = remaining.elapsed(folder, time.time()) if row.state == "running" else 0.0
        return remaining.seconds_left(
            self.told(row.id),
            planned.training.steps if planned else 0,
            self._past(row),
            spent,
        )

    def _planned(self, row: RunRow) -> PlannedRun | PlannedClassRun | None:
        if row.kind != "train" or row.comparison is None:
            return None
        return next((run for run in self.plan(row.comparison).runs if run.run == row.id), None)

    def _past(self, row: RunRow) -> Cost | None:
        """What a run like this one took: at best one of its own comparison."""
        if row.comparison is None:
            return None
        beside = self.rows(row.comparison)
        found = self._cost_of([other for other in beside if other.kind == row.kind])
        found = found or self._cost_of(self._alike(row))
        if row.kind != "train" or (found and found.step_seconds):
            return found
        # The shared run loads the same backbone and draws as many pictures.
        prepared = self._cost_of([other for other in beside if other.kind == "prepare"])
        timed = (self.told(other.id).step_seconds for other in beside if other.kind == "train")
        step_seconds = next((seconds for seconds in timed if seconds), None)
        return Cost(step_seconds, prepared.around_seconds if prepared else 0.0)

    def _cost_of(self, rows: list[RunRow]) -> Cost | None:
        for row in reversed(rows):
            if row.state == "finished" and row.attempts == 1:
                folder = RunDirectory.of(self.home, row.id).path
                make = partial(remaining.cost, folder)
                with self._lock:
                    found = _kept(self._costs, row.id, MOST_COSTS, make)
                if found:
                    return found
        return None

    def _alike(self, row: RunRow) -> list[RunRow]:
        """The newest finished runs of the same kind on the same backbone with the same preset."""
        if row.comparison is None:
            return []
        ours = self.plan(row.comparison)
        done = [r for r in self.rows() if r.state == "finished" and r.kind == row.kind]
        plans = [(r, self.plan(r.comparison)) for r in done[-LOOKED_BACK:] if r.comparison]
        return [
            r for r, plan in plans
            if (plan.backbone, plan.preset) == (ours.backbone, ours.preset)
        ]  # fmt: skip


@cache
def watcher(home: Path) -> Watcher:
    """The one watcher of a home in this process."""
    return Watcher(home)


def _owned(rows: tuple[RunRow, ...]) -> Owned:
    unfinished = dict.fromkeys(row.comparison for row in rows if row.state in UNFINISHED)
    facts = repr([(row.comparison, row.state) for row in rows])
    return Owned(
        rows,
        tuple(sorted({row.comparison for row in rows if row.comparison})),
        tuple(comparison for comparison in unfinished if comparison),
        hashlib.sha256(facts.encode()).hexdigest()[:12],
    )


def _kept(cached: "OrderedDict[str, Kept]", key: str, most: int, make: Callable[[], Kept]) -> Kept:
    """What is kept under a key, made first if need be; the least used one makes room."""
    if key not in cached:
        cached[key] = make()
        if len(cached) > most:
            cached.popitem(last=False)
    cached.move_to_end(key)
    return cached[key]


def stamp(path: Path) -> tuple[int, int] | None:
    """Time and size of a file or a folder; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def _mark(home: Path) -> _Mark:
    """What changes with every change of the store."""
    return tuple(stamp(home / name) for name in ("studio.db", "studio.db-wal"))


def _settled(home: Path) -> bool:
    """Whether the last change is so far back that a further one has another time."""
    newest = max((found[0] for found in _mark(home) if found), default=0)
    return time.time() - newest / 1e9 > _SETTLING_SECONDS
