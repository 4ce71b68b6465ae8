"""Inputs are placed by hard link where possible, and only if they are what was submitted."""

import errno
import os
from pathlib import Path

import pytest

from sparse_peft import files
from sparse_peft.errors import RunError
from sparse_peft.files import DiskError
from sparse_peft.runs import inputs
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import Input, RunSpec


def submitted(home: Path, *names: str, needs: tuple[str, ...] = ()) -> RunDirectory:
    (home / "data/d1").mkdir(parents=True)
    items = []
    for name in names:
        source = home / "data/d1" / Path(name).name
        source.write_text(f"content of {name}")
        items.append(Input(name, f"data/d1/{source.name}", files.sha256(source)))
    spec = RunSpec("r1", "train", "me", None, inputs=tuple(items), needs=needs)
    return RunDirectory.create(home, spec)


def finished(home: Path, run_id: str, **outputs: str) -> None:
    directory = RunDirectory.create(home, RunSpec(run_id, "prepare", "me", None))
    for name, text in outputs.items():
        (directory.path / name).write_text(text)
    directory.seal()


def test_inputs_are_hard_links_in_their_folders(tmp_path: Path) -> None:
    directory = submitted(tmp_path, "a.png", "pictures/b.png")
    inputs.place(directory)
    assert (directory.inputs / "pictures/b.png").read_text() == "content of pictures/b.png"
    assert (directory.inputs / "a.png").samefile(tmp_path / "data/d1/a.png")
    inputs.place(directory)  # again, as on resume


def test_without_hard_links_they_are_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: Path) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", no_link)
    directory = submitted(tmp_path, "a.png")
    inputs.place(directory)
    assert (directory.inputs / "a.png").read_text() == "content of a.png"
    assert not (directory.inputs / "a.png").samefile(tmp_path / "data/d1/a.png")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", no_room)
    with pytest.raises(DiskError, match="No space left"):
        inputs.place(submitted(tmp_path, "a.png"))


def test_the_outputs_of_a_needed_run_become_inputs(tmp_path: Path) -> None:
    finished(tmp_path, "r0", shared="tensors", report="{}")
    directory = submitted(tmp_path, "a.png", needs=("r0",))
    inputs.place(directory)
    assert sorted(path.name for path in directory.inputs.iterdir()) == [
        "a.png",
        "report",
        "shared",
    ]


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    finished(tmp_path, "r0", shared="tensors")
    with pytest.raises(RunError, match=r"Two inputs of run r1 are called shared\."):
        inputs.place(submitted(tmp_path, "shared", needs=("r0",)))


def test_what_changed_or_is_gone_is_named(tmp_path: Path) -> None:
    directory = submitted(tmp_path, "a.png", "b.png")
    source = tmp_path / "data/d1/b.png"
    source.write_text("changed")
    with pytest.raises(RunError, match=r"data/d1/b\.png is not what was submitted"):
        inputs.place(directory)
    assert not (directory.inputs / "b.png").exists()
    source.unlink()
    with pytest.raises(RunError, match=r"data/d1/b\.png is missing"):
        inputs.place(directory)
    source.symlink_to("/etc/hostname")
    with pytest.raises(RunError, match=r"data/d1/b\.png is missing"):
        inputs.place(directory)


def test_a_placed_copy_that_was_damaged_is_placed_again(tmp_path: Path) -> None:
    directory = submitted(tmp_path, "a.png")
    directory.inputs.mkdir()
    (directory.inputs / "a.png").write_text("half")
    inputs.place(directory)
    assert (directory.inputs / "a.png").read_text() == "content of a.png"


def test_a_manifest_cannot_reach_outside(tmp_path: Path) -> None:
    finished(tmp_path, "r0", shared="tensors")
    manifest = tmp_path / "runs/r0/manifest.json"
    manifest.write_text(manifest.read_text().replace("shared", "../../../x"))
    with pytest.raises(RunError, match="outside its directory"):
        inputs.place(submitted(tmp_path, needs=("r0",)))
