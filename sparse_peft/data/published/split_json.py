"""The split file of nine of the sets: `{"train": [[path, label, class], ...], "val", "test"}`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.data.findings import shown
from sparse_peft.data.labelled import LabelledPicture, Split
from sparse_peft.data.published.layouts import WHERE_FROM, Layout
from sparse_peft.data.published.rows import Row, check_file, check_presence, pictures_of
from sparse_peft.data.words.text import check_line
from sparse_peft.errors import DataError

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def read(layout: Layout, folder: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...]]:
    """The classes and the pictures of a set with a `split_zhou_*.json`.

    Raises:
        DataError: the file is missing, contradicts itself, or names what is not there.
        SpecError: it is not JSON.

    Source: KaiyangZhou/CoOp@ff61507 datasets/oxford_pets.py:109-128. Where the file is missing,
        CoOp draws a new split at random; that would compare with nothing, so we stop.
    """
    path = folder / layout.split
    if not path.exists():
        raise DataError(
            f"{path} is missing: the split that results on {layout.name} are compared on."
            f" {WHERE_FROM}; a split is never made up here."
        )
    check_file(path)
    table = tables.read_json(path)
    names: dict[int, str] = {}
    pictures = pictures_of(_rows(table, path, layout, names), layout.images)
    classes = _classes(names, path)
    check_presence(layout, folder, pictures)
    return classes, pictures


def _rows(
    table: dict[str, Any], path: Path, layout: Layout, names: dict[int, str]
) -> Iterator[Row]:
    """The rows of all splits; on the way, `names` learns what each label is called."""
    labels: dict[str, int] = {}
    for split in SPLITS:
        rows = table.get(split)
        if not isinstance(rows, list):
            raise DataError(f"{path} has no list of pictures {split!r}. Get the file again.")
        for place, row in enumerate(rows):
            where = f"{path}, {split}[{place}]"
            file, label, name = _cells(row, layout, where)
            if label not in names:
                check_line(name, where)
            if names.setdefault(label, name) != name:
                raise DataError(
                    f"{where} calls class {label} {shown(name)!r}, which was"
                    f" {shown(names[label])!r} before. Get the file again."
                )
            if labels.setdefault(name, label) != label:
                raise DataError(
                    f"{where} gives {shown(name)!r} the label {label}, which was {labels[name]}"
                    " before. Get the file again."
                )
            yield Row(file, label, split, where)


def _cells(row: Any, layout: Layout, where: str) -> tuple[str, int, str]:
    """Path, label and class name of a row, the name as a prompt says it."""
    match row:
        case [str(file), int() | str() as label, str(name)] if name.strip():
            number = _number(label)
        case _:
            raise DataError(f"{where} is not [path, label, class name]. Get the file again.")
    if number is None or not 0 <= number < layout.classes:
        raise DataError(
            f"{where} has the label {shown(str(label))}; {layout.name} has the labels 0 to"
            f" {layout.classes - 1}. Get the file again."
        )
    return file, number, name.replace("_", " ")


def _number(label: int | str) -> int | None:
    """CoOp passes labels through int(), so "3" is one; True is not."""
    if isinstance(label, str):
        return int(label) if label.isascii() and label.isdigit() and len(label) < 9 else None
    return None if isinstance(label, bool) else label


def _classes(names: dict[int, str], path: Path) -> tuple[str, ...]:
    for label in range(len(names)):
        if label not in names:
            raise DataError(
                f"{path} has {len(names)} classes, but none of them has the label {label}: labels"
                " run from 0 without a gap. Get the file again."
            )
    return tuple(names[label] for label in range(len(names)))
