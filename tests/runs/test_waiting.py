"""How many runs of others come first, as the store hands runs out."""

from pathlib import Path

import pytest

from sparse_peft.runs import waiting
from sparse_peft.runs.spec import ComparisonSpec, Kind, RunSpec
from sparse_peft.runs.store import Store
from sparse_peft.runs.waiting import Waiting, ahead


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two comparisons of two trainings each, then a drawing."""
    found = Store(tmp_path)
    for name in "ab":
        specs = [RunSpec(f"{name}{n}", "train", "me", name) for n in (1, 2)]
        found.submit(ComparisonSpec(name, "me"), specs)
    alone(found, "g", "generate")
    return found


def alone(store: Store, name: str, kind: Kind) -> None:
    store.submit(None, [RunSpec(name, kind, "me", None)])


def test_what_comes_first_is_what_the_store_hands_out_first(store: Store) -> None:
    handed_out = []
    while row := store.claim("cpu"):
        handed_out.append(row.id)
        store.end(row.id, "finished")
    assert handed_out == ["g", "a1", "a2", "b1", "b2"]


def test_all_runs_that_come_first_are_counted(store: Store) -> None:
    assert ahead(store.runs(), {"b1", "b2"}) == 3
    assert ahead(store.runs(), {"a1", "a2"}) == 1
    assert ahead(store.runs(), {"g"}) == 0
    alone(store, "h", "classify")
    assert ahead(store.runs(), {"h"}) == 1


def test_a_run_at_work_comes_first_whatever_it_is(store: Store) -> None:
    store.end("g", "finished")
    store.claim("cpu")
    alone(store, "h", "generate")
    assert ahead(store.runs(), {"h"}) == 1
    assert ahead(store.runs(), {"a1", "a2"}) == 0  # one of them is at work
    assert ahead(store.runs(), {"g"}) == 0


def test_it_is_told_once_and_when_it_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
    found = Waiting(store, {"b1", "b2"})
    assert [found.news(), found.news()] == [3, None]
    store.end("g", "finished")
    assert [found.news(), found.news()] == [2, None]
    for name in ("a1", "a2"):
        store.end(name, "finished")
    assert [found.news(), found.news()] == [None, None]


def test_a_moment_is_no_wait(store: Store) -> None:
    assert Waiting(store, {"b1"}).news() is None


def test_what_waits_for_an_interrupted_run_does_not_come_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
    specs = [RunSpec("p", "prepare", "me", "c"), RunSpec("t", "train", "me", "c", needs=("p",))]
    store.submit(ComparisonSpec("c", "me"), specs)
    store.end("p", "interrupted")
    alone(store, "z", "train")
    assert Waiting(store, {"z"}).news() == 5
