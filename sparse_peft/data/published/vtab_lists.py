"""A set of VTAB-1k: text files of `path label` lines beside the pictures that they name."""

from collections.abc import Iterator
from pathlib import Path

from sparse_peft.data.findings import shown
from sparse_peft.data.labelled import LabelledPicture, Split
from sparse_peft.data.published.layouts import Layout
from sparse_peft.data.published.rows import Row, check_file, check_presence, pictures_of
from sparse_peft.data.words.text import as_text
from sparse_peft.errors import DataError

# `train800val200.txt` repeats the first two; the file names stand for the splits.
FILES: dict[Split, str] = {"train": "train800.txt", "val": "val200.txt", "test": "test.txt"}
FIRST = FILES["train"]


def read(layout: Layout, folder: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...]]:
    """The classes, which have numbers alone, and the pictures.

    Labels stand as they are written, in every split alike.

    Raises:
        DataError: a file is missing, a label is out of range, or a picture is not there.

    Source: ssfgunner/SNELL@e9d5185 lib/datasets.py:16-42.
    """
    pictures = pictures_of(_rows(layout, folder), layout.images)
    check_presence(layout, folder, pictures)
    count = 1 + max(picture.label for picture in pictures)
    return tuple(number_name(label) for label in range(count)), pictures


def number_name(label: int) -> str:
    """What a class without a name is called."""
    return f"class {label}"


def _rows(layout: Layout, folder: Path) -> Iterator[Row]:
    for split, name in FILES.items():
        path = folder / name
        if not path.exists():
            raise DataError(f"{path} is missing: it names the pictures of {split}.")
        check_file(path)
        lines = as_text(path.read_bytes(), path).splitlines()
        rows = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
        if not rows:
            raise DataError(f"{path} names no picture. Get the file again.")
        for number, line in rows:
            yield _row(line, split, f"{path}, line {number}", layout)


def _row(line: str, split: Split, where: str, layout: Layout) -> Row:
    file, _, label = line.rpartition(" ")
    if not (file.strip() and label.isascii() and label.isdigit()):
        raise DataError(f"{where} is {shown(line)!r}; expected a path and the number of a class.")
    if len(label) > 4 or int(label) >= layout.classes:
        raise DataError(
            f"{where} has the label {shown(label)}; {layout.name} has the labels 0 to"
            f" {layout.classes - 1}. Get the file again."
        )
    return Row(file.strip(), int(label), split, where)
