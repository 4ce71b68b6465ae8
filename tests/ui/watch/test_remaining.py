"""How long runs will still take."""

from pathlib import Path

import pytest

from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.watch import remaining
from sparse_peft.ui.watch.following import Told
from sparse_peft.ui.watch.remaining import Cost
from sparse_peft.ui.watch.watching import Watcher
from tests.ui.kept import keep
from tests.ui.own_desk import plan_of


def test_what_is_left_follows_from_the_steps_and_from_what_drawing_took_before() -> None:
    told = Told(step=40, own_steps=40, step_seconds=0.5)
    assert remaining.seconds_left(told, 100, None, 20.0) == 30.0
    # 40 steps took 20 of 28 seconds, so 8 of the 20 beside them are behind it
    assert remaining.seconds_left(told, 100, Cost(9.0, 20.0), 28.0) == 30.0 + 12.0
    assert remaining.seconds_left(Told(), 100, Cost(0.5, 20.0), 0.0) == 70.0
    assert remaining.seconds_left(Told(), 100, None, 5.0) is None
    assert remaining.seconds_left(Told(), 0, Cost(None, 12.0), 5.0) == 7.0
    assert remaining.seconds_left(Told(), 0, Cost(None, 12.0), 50.0) == 0.0
    assert remaining.seconds_left(Told(), 0, None, 5.0) is None


def test_runs_side_by_side_end_with_the_last_one() -> None:
    assert remaining.makespan([], 2) == 0
    assert remaining.makespan([3.0, 5.0, 4.0], 1) == 12
    assert remaining.makespan([3.0, 5.0, 4.0], 2) == 7


def test_a_finished_run_tells_what_the_next_one_will_take(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, finished=("waveft",))
    plan = plan_of(desk, comparison)
    watch = Watcher(desk.home)
    rows = {row.id: row for row in watch.rows(comparison)}
    assert all(watch.seconds_left(rows[run.run]) is None for run in plan.runs if run.id != "waveft")
    steps = plan.runs[0].training.steps
    folder = RunDirectory.of(desk.home, plan.runs[0].run).path
    (folder / "worker.json").write_text("{}")
    with Store(desk.home) as store:
        store._db.execute("UPDATE runs SET attempts = 1 WHERE id = ?", (plan.runs[0].run,))
    watch = Watcher(desk.home)
    left = [watch.seconds_left(row) for row in watch.rows(comparison) if row.state == "queued"]
    assert len(left) == 2
    assert left == [pytest.approx(0.231 * steps)] * 2
