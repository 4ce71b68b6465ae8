"""A table of pictures and their classes: a CSV or TSV file beside them, `file,label[,split]`."""

import csv
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft.data.classes.layout import SPLIT_WORDS
from sparse_peft.data.classes.offer import MOST_PICTURES, Entry, Offer
from sparse_peft.data.classes.tree import MOST_BYTES
from sparse_peft.data.findings import UnreadableError, shown
from sparse_peft.data.labelled import SPLITS, Split
from sparse_peft.data.opening.folder import read_inside
from sparse_peft.data.words.text import as_text
from sparse_peft.errors import DataError

MOST_TABLE_BYTES = 8 * 2**20
HEADINGS = {
    "file": ("file", "filename", "file_name", "filepath", "path", "image", "picture"),
    "label": ("label", "class", "classname", "class_name", "category"),
    "split": ("split", "set", "subset"),
}
EXAMPLE = "write: pictures/01.jpg,red apple"


def offer_of_table(path: Path) -> Offer:
    """The pictures that a table names, by its labels.

    A first line that names its columns may order them at will and have others too. Without one, a
    line is the file, its label and, if there is a third cell, its split.

    Raises:
        DataError: names the line.
    """
    columns, lines = _columns(_lines(path), path)
    if not lines:
        raise DataError(f"{path} names no picture; {EXAMPLE}")
    if len(lines) > MOST_PICTURES:
        raise DataError(
            f"{path} names {len(lines):,} pictures, at most {MOST_PICTURES:,} are allowed; name"
            " fewer."
        )
    rows = [_row(line, columns) for line in lines]
    _check_files(rows, path.parent)
    _check_splits(rows, path)
    rows.sort(key=lambda row: row.label)
    splits = sorted({row.split for row in rows}, key=SPLITS.index)
    return Offer(
        where=str(path),
        folders={
            split: tuple(dict.fromkeys(row.label for row in rows if row.split == split))
            for split in splits
        },
        entries=tuple(
            Entry(row.label, row.split, shown(row.file), functools.partial(_content, row, path))
            for row in rows
        ),
    )


@dataclass(frozen=True)
class _Line:
    where: str
    cells: list[str]


def _lines(path: Path) -> list[_Line]:
    """The lines that are not empty, cut into cells at tabs, or else commas, or else semicolons."""
    try:
        text = as_text(read_inside(path, MOST_TABLE_BYTES), path)
    except UnreadableError as error:
        raise DataError(f"{path} cannot be used: {error}.") from error
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in "\t,;" if mark in first), ",")
    reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    lines = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                lines.append(_Line(f"{path}, line {reader.line_num}", cells))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num} has unbalanced quotes; {EXAMPLE}"
        ) from error
    return lines


def _columns(lines: list[_Line], path: Path) -> tuple[dict[str, int], list[_Line]]:
    """Where file, label and split stand, and the lines that follow the headings."""
    if not lines:
        return {}, []
    heads = [cell.lower() for cell in lines[0].cells]
    named = {
        column: heads.index(word)
        for column, words in HEADINGS.items()
        for word in words
        if word in heads
    }
    if "file" in named and "label" in named:
        return named, lines[1:]
    if "file" in named:
        raise DataError(f"{path} has no column 'label'; name one, or {EXAMPLE}")
    return dict(zip(HEADINGS, range(min(3, len(heads))), strict=False)), lines


@dataclass(frozen=True)
class _Row:
    where: str
    file: str
    label: str
    split: Split


def _row(line: _Line, columns: dict[str, int]) -> _Row:
    cells = {
        column: line.cells[at] if at < len(line.cells) else "" for column, at in columns.items()
    }
    file, label, word = (cells.get(column, "") for column in HEADINGS)
    if not file or not label:
        raise DataError(f"{line.where} lacks a file or a label; {EXAMPLE}")
    if word and word.lower() not in SPLIT_WORDS:
        raise DataError(f"{line.where} has the split {shown(word)!r}; write train, val or test.")
    file = os.path.normpath(file.replace("\\", "/"))
    return _Row(line.where, file, label, SPLIT_WORDS[word.lower()] if word else "pool")


def _check_files(rows: Sequence[_Row], folder: Path) -> None:
    seen: set[str] = set()
    missing = []
    for row in rows:
        if row.file.startswith(("/", "..")):
            raise DataError(
                f"{row.where} names {shown(row.file)!r}, which is outside the table's folder; keep"
                " the pictures beside the table or below it."
            )
        if row.file in seen:
            raise DataError(f"{row.where} names {shown(row.file)!r} a second time; keep one line.")
        seen.add(row.file)
        if not os.path.exists(folder / row.file):  # Path.exists raises for a name too long
            missing.append(row)
    if missing:
        others = f", and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0].where} names {shown(missing[0].file)!r}, which is not there{others}. Name"
            f" files as they are found from {folder}."
        )


def _check_splits(rows: Sequence[_Row], path: Path) -> None:
    splits = {row.split for row in rows}
    if splits == {"pool"}:
        return
    for row in rows:
        if row.split == "pool":
            raise DataError(f"{row.where} has no split, and others have; write train, val or test.")
    for needed in ("train", "test"):
        if needed not in splits:
            raise DataError(f"{path} has splits, but none of its lines is {needed}; add some.")


def _content(row: _Row, path: Path) -> bytes:
    """The picture, if it lies below the folder of the table."""
    picture = path.parent / row.file
    if path.parent.resolve() not in picture.resolve().parents:
        raise UnreadableError("it is a link out of the folder; copy the picture itself here")
    return read_inside(picture, MOST_BYTES)
