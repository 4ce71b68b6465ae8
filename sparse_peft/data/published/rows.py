"""What a split file says of one picture, checked before anything is opened by it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sparse_peft.data.findings import shown
from sparse_peft.data.labelled import LabelledPicture, Split
from sparse_peft.data.opening.folder import in_words
from sparse_peft.data.published.layouts import Layout
from sparse_peft.errors import DataError

MOST_BYTES = 2**26  # of an index or split file; the largest published one has 9 MB
LONGEST_PATH = 1000  # characters
MOST_LOOKED_FOR = 2000  # pictures; of a larger set, the ends of each split stand for the rest


class Row(NamedTuple):
    """A picture as a split file names it."""

    file: str
    """Below the folder of the pictures."""
    label: int
    split: Split
    where: str
    """What a person would look for, such as `split.json, train[3]`."""


def check_file(path: Path) -> None:
    """Return if this is a regular file of at most MOST_BYTES that may be read."""
    if not path.is_file() or not os.access(path, os.R_OK):
        raise DataError(f"{path} is not a file that can be read.")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise DataError(
            f"{path} has {in_words(size)}, at most {in_words(MOST_BYTES)} are allowed; it is not"
            " the published file."
        )


def pictures_of(rows: Iterable[Row], images: str) -> tuple[LabelledPicture, ...]:
    """The pictures that the rows name, each once.

    Args:
        images: the folder of the pictures below the set's own; empty: the set's own.

    Raises:
        DataError: names the row whose path leaves the folder, or is there a second time.
    """
    seen: dict[str, Row] = {}
    pictures = []
    for row in rows:
        _check_path(row)
        first = seen.setdefault(row.file, row)
        if first is not row:
            raise DataError(
                f"{row.where} names {shown(row.file)!r} for {row.split}, and {first.where} does so"
                f" for {first.split}; a picture belongs to one split, once. Get the file again."
            )
        file = f"{images}/{row.file}" if images else row.file
        pictures.append(LabelledPicture(file, row.label, row.split, file))
    return tuple(pictures)


def check_presence(layout: Layout, folder: Path, pictures: Sequence[LabelledPicture]) -> None:
    """Return if the pictures are there: all of a small set, the ends of each split of a large one.

    Nothing is opened.

    Raises:
        DataError: names the first that is missing, and where it was looked for.
    """
    for picture in pictures if len(pictures) < MOST_LOOKED_FOR else _ends(pictures):
        if not os.path.isfile(folder / picture.file):  # Path.is_file raises for a name too long
            raise DataError(
                f"{folder / picture.file} does not exist, though the published split names it for"
                f" {picture.split}; the pictures of {layout.name} belong below"
                f" {folder / layout.images}."
            )


def _check_path(row: Row) -> None:
    parts = row.file.split("/")
    if not row.file.isprintable() or len(row.file) > LONGEST_PATH or {"", ".", ".."} & set(parts):
        raise DataError(
            f"{row.where} names {shown(row.file)!r}, which is not a path below the folder of the"
            " pictures. Get the file again."
        )


def _ends(pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """The first and the last picture of each split."""
    firsts = {picture.split: picture for picture in reversed(pictures)}
    lasts = {picture.split: picture for picture in pictures}
    return [*firsts.values(), *lasts.values()]
