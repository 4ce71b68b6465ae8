"""Pictures that a person tries on a comparison: into the queue, and what came of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sparse_peft.errors import DataError, RunError
from sparse_peft.files import Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui.classes.compare import trying as compare_trying
from sparse_peft.ui.classes.compare.trying import classifiers, submit, sweep, tried
from sparse_peft.ui.clicks import deleting
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import watcher
from tests.fake_classes import shape
from tests.ui.classes.kept_classes import OTHER, keep, plan_of


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Desk, str]]:
    """A comparison of two methods, of which SO waits; nothing begins."""
    with Lock(runner_lock_path(tmp_path / "home")):
        yield keep(tmp_path, finished=("lora",), methods=("lora", "so"), classes=3, seeds=(1, 2))


def picture(folder: Path, number: int = 0) -> Path:
    path = folder / f"mine-{number}.jpg"
    shape(1, 1000 + number).save(path)
    return path


def rows(desk: Desk, comparison: str) -> list[str]:
    with Store(desk.home) as store:
        return [row.id for row in store.runs(comparison) if row.kind == "classify"]


def finish(desk: Desk, run: str, results: dict[str, list[dict[str, object]]]) -> None:
    directory = RunDirectory.of(desk.home, run)
    names = directory.spec.settings["pictures"]
    told = [{"name": name, "results": results} for name in names]
    directory.write_report({"pictures": told, "seconds": 0.1})
    with Store(desk.home) as store:
        store.end(run, "finished")


def test_zero_shot_and_the_first_training_of_each_method_classify(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    outcome = mine.opened(desk, comparison)
    assert list(classifiers(outcome)) == ["zeroshot", "linear_probe-s1", "lora-s1"]  # type: ignore[arg-type]


def test_a_picture_is_cleaned_and_waits_ahead_of_trainings(
    kept: tuple[Desk, str], tmp_path: Path
) -> None:
    desk, comparison = kept
    run = submit(desk, comparison, [picture(tmp_path)])
    [name] = RunDirectory.of(desk.home, run).spec.settings["pictures"]
    with Image.open(desk.home / "data" / desk.owner / "tried" / name) as clean:
        assert (clean.format, clean.mode) == ("PNG", "RGB")
    with Store(desk.home) as store:
        claimed = store.claim("cpu-0")
    assert claimed is not None
    assert claimed.id == run


def test_the_same_picture_again_is_the_same_run(kept: tuple[Desk, str], tmp_path: Path) -> None:
    desk, comparison = kept
    run = submit(desk, comparison, [picture(tmp_path)])
    assert submit(desk, comparison, [picture(tmp_path)]) == run
    finish(desk, run, {})
    assert submit(desk, comparison, [picture(tmp_path)]) == run
    assert submit(desk, comparison, [picture(tmp_path, 1)]) != run
    assert len(rows(desk, comparison)) == 2


def test_what_was_said_stands_newest_first(kept: tuple[Desk, str], tmp_path: Path) -> None:
    desk, comparison = kept
    first = submit(desk, comparison, [picture(tmp_path)])
    guesses = [{"class": "apple", "probability": 0.75}, {"class": "boat", "probability": 0.25}]
    finish(desk, first, {"zeroshot": guesses})
    second = submit(desk, comparison, [picture(tmp_path, 1), picture(tmp_path, 2)])
    found = tried(desk, watcher(desk.home).runs(comparison))
    assert [one.run.id for one in found] == [second, second, first]
    assert [one.said for one in found[:2]] == [{}, {}]
    assert found[2].said == {"zeroshot": (("apple", 0.75), ("boat", 0.25))}
    assert found[2].address.startswith("/studio/data/tried/")


def test_a_damaged_report_says_nothing(kept: tuple[Desk, str], tmp_path: Path) -> None:
    desk, comparison = kept
    run = submit(desk, comparison, [picture(tmp_path)])
    finish(desk, run, {})
    for text in ("{", "[]", json.dumps({"pictures": [{"name": "x"}]})):
        (RunDirectory.of(desk.home, run).path / "report.json").write_text(text)
        assert tried(desk, watcher(desk.home).runs(comparison))[0].said == {}


def test_nothing_that_is_no_picture_gets_in(kept: tuple[Desk, str], tmp_path: Path) -> None:
    desk, comparison = kept
    (tmp_path / "no.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    with pytest.raises(DataError, match=r"no\.png could not be read"):
        submit(desk, comparison, [tmp_path / "no.png"])
    with pytest.raises(DataError, match="0 pictures came at once; try 1 to 12"):
        submit(desk, comparison, [])
    many = [picture(tmp_path)] * (compare_trying.MOST_AT_ONCE + 1)
    with pytest.raises(DataError, match="13 pictures came at once"):
        submit(desk, comparison, many)
    assert rows(desk, comparison) == []


def test_before_zero_shot_is_measured_nothing_can_classify(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, finished=(), methods=("lora",), classes=3, seeds=(1,))
    prepare = RunDirectory.of(desk.home, plan_of(desk, comparison).prepare).path
    for path in prepare.rglob("classifier.json"):
        path.unlink()
    with pytest.raises(RunError, match="as soon as zero-shot is measured"):
        submit(desk, comparison, [picture(tmp_path)])


def test_what_is_someone_elses_is_not_there(kept: tuple[Desk, str], tmp_path: Path) -> None:
    desk, comparison = kept
    with pytest.raises(RunError, match="There is no comparison"):
        submit(Desk(desk.studio, OTHER), comparison, [picture(tmp_path)])


def test_deleting_a_comparison_deletes_what_was_tried_on_it(
    kept: tuple[Desk, str], tmp_path: Path
) -> None:
    desk, comparison = kept
    submit(desk, comparison, [picture(tmp_path)])
    folder = desk.home / "data" / desk.owner / "tried"
    sweep(desk)
    assert len(list(folder.iterdir())) == 1
    with Store(desk.home) as store:
        for row in store.runs(comparison):
            store.end(row.id, "finished")
    deleting.delete(desk, comparison)
    assert list(folder.iterdir()) == []
