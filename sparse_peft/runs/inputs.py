"""Placing the inputs of a run in its directory, each checked to be what was asked for."""

import os
import shutil
from pathlib import Path

from sparse_peft import files
from sparse_peft.errors import RunError
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import Input, inside


def place(directory: RunDirectory) -> None:
    """Fill inputs/ with the run's inputs and the outputs of the runs that it needs.

    Raises:
        RunError: a file is absent or is not what it was when the run was submitted.
        DiskError: no room.
    """
    wanted: dict[str, Input] = {}
    for item in (*directory.spec.inputs, *_outputs_of_needs(directory)):
        if wanted.setdefault(item.name, item) is not item:
            raise RunError(f"Two inputs of run {directory.spec.id} are called {item.name}.")
    with files.disk_words(directory.inputs):
        for item in wanted.values():
            _place_one(directory.home / item.path, directory.inputs / item.name, item)


def _outputs_of_needs(directory: RunDirectory) -> list[Input]:
    found = []
    for need in directory.spec.needs:
        for name, entry in RunDirectory.of(directory.home, need).outputs().items():
            if not inside(name):
                raise RunError(f"Run {need} lists an output {name!r} outside its directory.")
            found.append(Input(name, f"runs/{need}/{name}", entry["sha256"]))
    return found


def _place_one(source: Path, target: Path, item: Input) -> None:
    if target.is_file() and files.sha256(target) == item.sha256:
        return  # an earlier attempt placed it
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if source.is_symlink() or not source.is_file():
        raise RunError(f"The input {item.path} is missing.")
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in files.FULL:
            raise
        shutil.copyfile(source, target)  # another file system, or one without hard links
    if files.sha256(target) != item.sha256:
        target.unlink()
        raise RunError(f"The input {item.path} is not what was submitted (sha256 differs).")
