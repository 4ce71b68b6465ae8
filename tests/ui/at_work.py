"""Runs at work: what a runner and a worker do with them, for tests of what the page shows."""

from typing import Any

from sparse_peft.planning import ComparisonPlan
from sparse_peft.runs.events import EventLog
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk
from tests.ui.own_desk import plan_of, started


def begin(desk: Desk, run: str, attempt: int = 1) -> EventLog:
    """What a runner and a worker do first, for the run whose turn it is."""
    with Store(desk.home) as store:
        row = store.claim("cpu-0")
    assert row is not None
    assert row.id == run
    directory = RunDirectory.of(desk.home, run)
    (directory.path / "worker.json").write_text("{}")
    log = directory.event_log(attempt)
    log.emit("started", device="cpu-0", run_kind=row.kind)
    return log


def end(desk: Desk, run: str, state: str = "finished", error: str | None = None) -> None:
    with Store(desk.home) as store:
        store.end(run, state, error)  # type: ignore[arg-type]


def prepared(desk: Desk, **changes: Any) -> tuple[str, ComparisonPlan]:
    """A comparison whose shared run is done."""
    comparison = started(desk, **changes)
    plan = plan_of(desk, comparison)
    begin(desk, plan.prepare)
    end(desk, plan.prepare)
    return comparison, plan
