"""What a person typed, checked before any work begins."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sparse_peft.errors import SpecError
from sparse_peft.files import DiskError

ALL = "all"
LONGEST_NAME = 255  # bytes of one name in a path, on every file system that we know of


def whole_number(text: str) -> int:
    """The number that a text spells."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error


def shots(text: str) -> int | Literal["all"]:
    """A number of training pictures a class, or all of them."""
    return "all" if text == ALL else whole_number(text)


def path(text: str) -> Path:
    """The path that a text spells.

    An empty one comes from a variable that nobody set; taken for the current folder, it would be
    written to.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name a file or a folder")
    for name in Path(text).parts:
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise argparse.ArgumentTypeError(
                f"'{name[:20]}...' is longer than a name can be ({LONGEST_NAME} bytes)"
            )
    return Path(text)


def home_folder(path: Path) -> Path:
    """The folder where runs are kept, made if need be.

    Raises:
        SpecError: it cannot be made or written.
    """
    home = path.expanduser().resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecError(
            f"--home {home} cannot be made ({error.strerror}). Name a folder that can be written, "
            "with --home or STUDIO_HOME."
        ) from error
    if not os.access(home, os.W_OK):
        raise SpecError(
            f"--home {home} cannot be written. Name another folder, with --home or STUDIO_HOME."
        )
    return home


def check_place(out: Path, home: Path) -> None:
    """Return if a whole folder can be put at `out` when the work is done.

    Raises:
        SpecError: it would hold the home folder, or the disk would refuse it.
    """
    if home.is_relative_to(out):
        raise SpecError(f"--out {out} holds the home folder {home}. Name a folder elsewhere.")
    if out.is_mount():
        raise SpecError(
            f"--out {out} is a mount point and cannot be replaced as a whole. "
            f"Name a folder inside it, such as {out / 'comparison'}."
        )
    check_parent(out)


def check_parent(out: Path) -> None:
    """Return if something new can be made at `out`; a folder is made beside it, and removed.

    Raises:
        SpecError: a file is in the way, or a folder cannot be written.
    """
    above = next(folder for folder in out.parents if os.path.exists(folder))
    if not above.is_dir():
        raise SpecError(f"--out {out} cannot be made: {above} is a file. Name another folder.")
    try:
        # To whom os.access says yes, the file system itself may say no: root in /proc.
        os.rmdir(tempfile.mkdtemp(prefix=".", dir=above))
    except OSError as error:
        raise SpecError(
            f"--out {out} cannot be made: {above} cannot be written ({error.strerror}). "
            "Name another folder."
        ) from error


@contextmanager
def out_words(out: Path) -> Iterator[None]:
    """Inside it, whatever the disk refuses is a DiskError that names --out."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"--out {out} could not be written ({error.strerror or error}). Name another place."
        ) from error


def empty_folder(out: Path) -> Path:
    """The whole path of a folder that is new or empty.

    Raises:
        SpecError: it is a file, something is in it, or it cannot be written.
    """
    check_parent(out.resolve())
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SpecError(f"--out {out} is not an empty folder; name a new or an empty one.")
    return out.resolve()
