"""Deleting: told in numbers first, then gone with all that was its own and nothing more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.errors import RunError
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.clicks import deleting
from sparse_peft.ui.clicks.deleting import Weight, sentence
from sparse_peft.ui.desk.desk import Desk
from tests.ui.own_desk import BOB, end_all, lay_pictures, own_desk, plan_of, started, states


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


def data_of(desk: Desk, comparison: str) -> Path:
    return desk.home / "data" / plan_of(desk, comparison).subject


def test_what_would_go_is_counted_each_file_once(desk: Desk) -> None:
    comparison = started(desk)
    plan = plan_of(desk, comparison)
    before = deleting.weighed(desk, comparison)
    assert (before.runs, before.pictures) == (3, 3)
    folder = RunDirectory.of(desk.home, plan.runs[0].run).path
    (folder / "values.bin").write_bytes(bytes(10_000))
    (folder / "inputs").mkdir()
    (folder / "inputs" / "same.bin").hardlink_to(folder / "values.bin")
    assert deleting.weighed(desk, comparison).bytes == before.bytes + 10_000


def test_pictures_that_another_comparison_has_stay_until_the_last(desk: Desk) -> None:
    first, second = started(desk), started(desk, seed=1)
    data = data_of(desk, first)
    assert deleting.weighed(desk, first).pictures == 0
    end_all(desk, first)
    deleting.delete(desk, first)
    assert data.is_dir()
    assert deleting.weighed(desk, second).pictures == 3
    deleting.delete(desk, second)
    assert not data.exists()
    with Store(desk.home) as store:
        assert (store.runs(), store.comparisons()) == ([], [])
    assert not any((desk.home / "runs").iterdir())
    assert len(desk.draft.pictures) == 3  # what is on the desk is not the comparison's


def test_all_is_weighed_with_each_picture_once_and_the_desk(desk: Desk) -> None:
    empty = deleting.weighed_all(desk)
    assert (empty.runs, empty.pictures) == (0, 3)
    first, second = started(desk), started(desk, seed=1)
    whole = deleting.weighed_all(desk)
    assert (whole.runs, whole.pictures) == (6, 3)
    apart = [deleting.weighed(desk, one).bytes for one in (first, second)]
    data = sum(path.stat().st_size for path in data_of(desk, first).iterdir())
    form = sum(path.stat().st_size for path in desk.folder.rglob("*") if path.is_file())
    assert whole.bytes == sum(apart) + data + form


def test_what_is_at_work_is_not_deleted(desk: Desk) -> None:
    comparison = started(desk)
    with Store(desk.home) as store:
        store.claim("cpu-0")
    with pytest.raises(RunError, match="is at work"):
        deleting.delete(desk, comparison)
    assert data_of(desk, comparison).is_dir()


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (Weight(3, 5, 41 * 2**20), "Deletes 3 runs, 5 pictures and 41 MB. This cannot be undone."),
        (Weight(1, 1, 2**20), "Deletes 1 run, 1 picture and 1 MB. This cannot be undone."),
        (Weight(2, 0, 3 * 2**10), "Deletes 2 runs and 3 kB. This cannot be undone."),
    ],
)
def test_it_is_said_in_one_sentence(weight: Weight, words: str) -> None:
    assert sentence(weight) == words


def test_everything_of_one_person_goes_and_nothing_of_another(desk: Desk, tmp_path: Path) -> None:
    bob = Desk(desk.studio, BOB)
    lay_pictures(bob, tmp_path / "more")
    kept = started(bob)
    started(desk)
    started(desk, seed=1)
    deleting.forget_all(desk)
    with Store(desk.home) as store:
        assert store.comparisons() == [kept]
    assert states(desk, kept) == ["queued"] * 4
    assert data_of(desk, kept).is_dir()
    assert not desk.folder.exists()
    assert not (desk.home / "data" / desk.owner).exists()
    assert len(bob.draft.pictures) == 3


def test_what_is_at_work_is_told_to_stop_and_goes_the_next_time(desk: Desk) -> None:
    comparison = started(desk)
    with Store(desk.home) as store:
        row = store.claim("cpu-0")
    assert row is not None
    with pytest.raises(RunError, match="A run is still stopping; all else is deleted"):
        deleting.forget_all(desk)
    assert RunDirectory.of(desk.home, row.id).cancel_requested() == "discard"
    assert not desk.folder.exists()
    end_all(desk, comparison, "cancelled")
    deleting.forget_all(desk)
    assert not (desk.home / "data" / desk.owner).exists()
    assert not any((desk.home / "runs").iterdir())
