"""A set of FGVC: `train.json`, `val.json` and `test.json`, each `{path of a picture: class}`."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.data.findings import shown
from sparse_peft.data.labelled import LabelledPicture, Split
from sparse_peft.data.published.layouts import Layout
from sparse_peft.data.published.rows import Row, check_file, check_presence, pictures_of
from sparse_peft.data.published.vtab_lists import number_name
from sparse_peft.errors import DataError

SPLITS: tuple[Split, ...] = ("train", "val", "test")
FIRST = "train.json"
# What stands before the name in a folder's: 001.Laysan_Albatross, n02085620-Chihuahua.
_BEFORE = re.compile(r"(\d+\.|n\d+-)")

Table = dict[str, Any]


def read(layout: Layout, folder: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...]]:
    """The classes and the pictures.

    The classes of all splits together are sorted and numbered. The official code numbers those of
    each split by themselves, so that a split without one of the classes shifts all that follow.

    Raises:
        DataError: a file is missing, contradicts itself, or names what is not there.
        SpecError: it is not JSON.

    Source: ssfgunner/SNELL@e9d5185 lib/datasets.py:124-156; the files: KMnP/vpt.
    """
    splits = {split: _table(folder / f"{split}.json") for split in SPLITS}
    known = sorted(
        {_number(value, folder) for table in splits.values() for value in table.values()}
    )
    labels = {number: label for label, number in enumerate(known)}
    if len(labels) > layout.classes:
        raise DataError(
            f"{folder} has {len(labels)} classes; {layout.name} has {layout.classes}. Get its"
            " files again."
        )
    images = _images(layout, folder, next(iter(splits["train"])))
    pictures = pictures_of(_rows(splits, labels, folder), images)
    check_presence(layout, folder, pictures)
    return _names(pictures, len(labels)), pictures


def _table(path: Path) -> Table:
    if not path.exists():
        raise DataError(f"{path} is missing: it tells the classes of its split.")
    check_file(path)
    table = tables.read_json(path)
    if not table:
        raise DataError(f"{path} names no picture. Get the file again.")
    return table


def _number(value: Any, folder: Path) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,8}", value) else value
    if type(number) is not int or number < 0:
        raise DataError(f"{folder} has a class {shown(str(value))!r} that is no number.")
    return number


def _images(layout: Layout, folder: Path, first: str) -> str:
    """The folder that the paths start from: the pictures' own, or, in some copies, the set's."""
    for images in (layout.images, ""):
        if os.path.isfile(folder / images / first):
            return images
    return layout.images


def _rows(splits: dict[Split, Table], labels: dict[int, int], folder: Path) -> Iterator[Row]:
    for split, table in splits.items():
        for file, value in table.items():
            yield Row(file, labels[_number(value, folder)], split, f"{folder / split}.json")


def _names(pictures: tuple[LabelledPicture, ...], count: int) -> tuple[str, ...]:
    """What the folders of the classes are called, where each class has one of its own."""
    homes: dict[int, set[str]] = defaultdict(set)
    for picture in pictures:
        homes[picture.label].add(Path(picture.file).parent.name)
    alone = [next(iter(homes[label])) for label in range(count) if len(homes[label]) == 1]
    names = [_BEFORE.sub("", home, count=1).replace("_", " ") for home in alone]
    if len(set(names)) != count or any(not name or name.isdigit() for name in names):
        return tuple(number_name(label) for label in range(count))
    return tuple(names)
