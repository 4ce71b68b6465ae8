"""FGVC Aircraft as its authors publish it: four text files beside the pictures."""

from collections.abc import Iterator
from pathlib import Path

from sparse_peft.data.findings import shown
from sparse_peft.data.labelled import LabelledPicture, Split
from sparse_peft.data.published.layouts import WHERE_FROM, Layout
from sparse_peft.data.published.rows import Row, check_file, check_presence, pictures_of
from sparse_peft.data.words.text import check_line, read_text
from sparse_peft.errors import DataError

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def read(layout: Layout, folder: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...]]:
    """The classes and the pictures: a label is the place of a variant in variants.txt.

    Raises:
        DataError: a file is missing, contradicts the others, or names what is not there.

    Source: KaiyangZhou/CoOp@ff61507 datasets/fgvc_aircraft.py.
    """
    labels: dict[str, int] = {}
    for where, name in _lines(folder / layout.split):
        check_line(name, where)
        if name in labels:
            raise DataError(f"{where} names {shown(name)!r} a second time. Get the file again.")
        labels[name] = len(labels)
    if len(labels) > layout.classes:
        raise DataError(
            f"{folder / layout.split} has {len(labels)} lines; {layout.name} has {layout.classes}"
            " variants. Get the file again."
        )
    pictures = pictures_of(_rows(folder, labels), layout.images)
    check_presence(layout, folder, pictures)
    return tuple(name.replace("_", " ") for name in labels), pictures


def _rows(folder: Path, labels: dict[str, int]) -> Iterator[Row]:
    for split in SPLITS:
        for where, line in _lines(folder / f"images_variant_{split}.txt"):
            number, _, name = line.partition(" ")
            if name not in labels:
                raise DataError(
                    f"{where} names the variant {shown(name)!r}, which variants.txt does not have."
                    " Get both files again."
                )
            yield Row(f"{number}.jpg", labels[name], split, where)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line that says something, and where it is."""
    if not path.exists():
        raise DataError(
            f"{path} is missing: FGVC Aircraft is told by variants.txt and"
            f" images_variant_{{train,val,test}}.txt. {WHERE_FROM}."
        )
    check_file(path)
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()
