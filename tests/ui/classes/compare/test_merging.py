"""Ordinary checkpoints of a comparison's adapters: asked for once, and where they stand."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui.classes.compare import downloads
from sparse_peft.ui.classes.compare.merging import bytes_of, folder_of, merges
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import watcher
from tests.ui.classes.kept_classes import OTHER, keep
from tests.ui.own_desk import act


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Desk, str]]:
    with Lock(runner_lock_path(tmp_path / "home")):
        yield keep(tmp_path, finished=("lora",), methods=("lora", "so"), classes=3, seeds=(1,))


def merged(desk: Desk, comparison: str) -> list[str]:
    with Store(desk.home) as store:
        return [row.id for row in store.runs(comparison) if row.kind == "merge"]


def finish(desk: Desk, run: str) -> Path:
    folder = RunDirectory.of(desk.home, run).path / "merged"
    folder.mkdir()
    (folder / "open_clip_model.safetensors").write_bytes(b"weights" * 400_000)
    (folder / "classify_folder.py").write_text("print('owl')\n")
    with Store(desk.home) as store:
        store.end(run, "finished")
    return folder


def test_a_checkpoint_is_made_once(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    answer = act(desk, "merge", run="lora-s1")
    assert answer.errors == {}
    assert answer.show == ("strip", "numbers")
    assert act(desk, "merge", run="lora-s1", comparison=comparison).errors == {}
    [run] = merged(desk, comparison)
    assert merges(desk, watcher(desk.home).runs(comparison))["lora-s1"].state == "queued"
    with Store(desk.home) as store:
        store.end(run, "failed", "It broke.")
    act(desk, "merge", run="lora-s1")
    assert len(merged(desk, comparison)) == 2


def test_what_has_not_finished_cannot_be_merged(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    for name in ("so-s1", "zeroshot", "lora", "../lora-s1"):
        said = act(desk, "merge", run=name).errors["merge"]
        assert said == f"There is no finished method {name!r} here to merge."
    other = Desk(desk.studio, OTHER, comparison)
    assert "There is no comparison" in act(other, "merge", run="lora-s1").errors["merge"]
    assert merged(desk, comparison) == []


def test_the_checkpoint_comes_as_a_zip_piece_by_piece(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    act(desk, "merge", run="lora-s1")
    with pytest.raises(RunError, match="is not there yet"):
        folder_of(desk, comparison, "lora-s1")
    [run] = merged(desk, comparison)
    folder = finish(desk, run)
    assert folder_of(desk, comparison, "lora-s1") == folder
    found = downloads.merged(desk, comparison, "merged-lora-s1.zip")
    assert found is not None
    pieces = list(found[0])
    assert len(pieces) > 2
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        for path in folder.iterdir():
            assert archive.read(f"merged/{path.name}") == path.read_bytes()
    assert found[1] == "lora-s1-open-clip.zip"
    script = downloads.script(desk, comparison, "classify-lora-s1.py")
    assert script == (b"print('owl')\n", "classify_folder.py")


def test_other_names_are_no_checkpoints(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    for name in ("merged-../../x.zip", "merged-.zip", "merged-lora-s1", "classify-lora-s1.zip"):
        assert downloads.merged(desk, comparison, name) is None
        assert downloads.script(desk, comparison, name) is None


def test_how_large_a_checkpoint_will_be_is_known_before() -> None:
    assert 590e6 < (bytes_of("ViT-B-16/random") or 0) < 605e6  # 149.6 million values of 4 bytes
    assert bytes_of("RN50/random") is None
    assert bytes_of("nothing/at-all") is None
