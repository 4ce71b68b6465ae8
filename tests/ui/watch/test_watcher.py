"""All runs of a home: what the store and the events say, for many threads."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import Watcher, watcher
from tests.ui.at_work import begin, prepared
from tests.ui.own_desk import own_desk, started


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as found:
        yield found


def test_every_change_of_the_store_is_seen_at_once(desk: Desk) -> None:
    comparison = started(desk)
    watch = watcher(desk.home)
    assert {row.state for row in watch.rows(comparison)} == {"queued"}
    with Store(desk.home) as store:
        for row in watch.rows(comparison):
            store.end(row.id, "running")
            assert "running" in {r.state for r in watch.rows(comparison) if r.id == row.id}
            store.end(row.id, "finished")
            assert "finished" in {r.state for r in watch.rows(comparison) if r.id == row.id}
    assert watch.rows("nothing") == ()


def test_the_store_is_not_opened_while_nothing_changes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(desk)
    time.sleep(0.15)
    before = watcher(desk.home).rows()
    monkeypatch.setattr("sparse_peft.ui.watch.watcher.Store", None)
    assert watcher(desk.home).rows() is before


def test_there_is_one_watcher_of_a_home(tmp_path: Path) -> None:
    assert watcher(tmp_path) is watcher(tmp_path)


def test_a_watcher_keeps_no_more_runs_in_memory_than_it_may(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparse_peft.ui.watch.watcher.MOST_RUNS", 3)
    watch = Watcher(desk.home)
    for number in range(9):
        watch.told(f"run{number}")
    assert list(watch._followers) == ["run6", "run7", "run8"]


def test_many_threads_see_the_same(desk: Desk) -> None:
    comparison, plan = prepared(desk, steps=300)
    log = begin(desk, plan.runs[0].run)

    def look(step: int) -> int:
        if step % 3 == 0:
            log.emit("step", step=step // 3 + 1, loss=1.0, step_ms=1.0)
        lives = watcher(desk.home).runs(comparison)
        return lives[plan.runs[0].run].step

    with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(8) as readers:
        writing = [writer.submit(look, step) for step in range(0, 300, 3)]
        seen = [readers.submit(look, 1) for _ in range(200)]
        assert all(0 <= one.result() <= 100 for one in seen)
        assert [one.result() for one in writing] == list(range(1, 101))
    assert len(watcher(desk.home).told(plan.runs[0].run).losses) == 100
