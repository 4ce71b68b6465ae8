"""ImageNet: a folder a class, `images/{train,val}` as CoOp has it or `{train,val}` as others do."""

import os
from collections.abc import Iterator
from pathlib import Path

from sparse_peft.data.findings import listed, shown
from sparse_peft.data.labelled import LabelledPicture, Split
from sparse_peft.data.opening.folder import SIDECARS
from sparse_peft.data.published.layouts import WHERE_FROM, Layout
from sparse_peft.data.published.rows import check_file
from sparse_peft.data.words.text import check_line, read_text
from sparse_peft.errors import DataError

_SIDECARS = tuple(SIDECARS)
_FOLDERS: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "test"))


def read(layout: Layout, folder: Path) -> tuple[tuple[str, ...], tuple[LabelledPicture, ...]]:
    """The classes and the pictures: a label is the rank of a class folder's name.

    The validation pictures are the test, and there are no others, as in CoOp.

    Raises:
        DataError: a folder or classnames.txt is missing, or they contradict each other.

    Source: KaiyangZhou/CoOp@ff61507 datasets/imagenet.py. CoOp reads `val` by its own sorted
        folders: were one missing, every later label would be wrong. So we compare the folders.
    """
    names = _class_names(folder / layout.split)
    images = _images(layout, folder)
    try:
        wnids = _class_folders(folder / images / "train")
        _check_folders(wnids, names, folder, images)
        pictures = tuple(_pictures(folder, images, wnids))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be opened ({error.strerror}).") from error
    return tuple(names[wnid] for wnid in wnids), pictures


def _class_names(path: Path) -> dict[str, str]:
    """What each class folder is called, from lines such as `n01440764 tench`."""
    if not path.exists():
        raise DataError(
            f"{path} is missing: a line a class, such as 'n01440764 tench', says what the folders"
            f" are called. {WHERE_FROM}."
        )
    check_file(path)
    names: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        wnid, _, name = line.strip().partition(" ")
        if not wnid:
            continue
        where = f"{path}, line {number}"
        if not name or wnid in names:
            problem = "a second time" if name else "without a class name"
            raise DataError(f"{where} has {shown(wnid)!r} {problem}; write: n01440764 tench")
        check_line(name, where)
        names[wnid] = name.replace("_", " ")
    return names


def _images(layout: Layout, folder: Path) -> str:
    """Where train and val are below the set's folder, with the slash that follows."""
    for images in (f"{layout.images}/", ""):
        if (folder / images / "train").is_dir() and (folder / images / "val").is_dir():
            return images
    raise DataError(
        f"{folder} has neither {layout.images}/train and {layout.images}/val nor train and val;"
        " put the class folders of ImageNet there."
    )


def _class_folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    if not names:
        raise DataError(
            f"{path} has no class folders such as n01440764; sort its pictures into them first."
        )
    return names


def _check_folders(wnids: list[str], names: dict[str, str], folder: Path, images: str) -> None:
    """Return if train and val have the same classes, and each a name."""
    tested = _class_folders(folder / images / "val")
    if odd := sorted(set(wnids) ^ set(tested)):
        raise DataError(
            f"{folder / images} has class folders in one of train and val only"
            f" ({listed(map(shown, odd))}); labels would not agree. Complete them."
        )
    if unknown := [wnid for wnid in wnids if wnid not in names]:
        raise DataError(
            f"{folder / 'classnames.txt'} has no name for {listed(map(shown, unknown))}, which"
            f" {folder / images / 'train'} has. Add a line for each, or move the folders away."
        )


def _pictures(folder: Path, images: str, wnids: list[str]) -> Iterator[LabelledPicture]:
    for place, split in _FOLDERS:
        for label, wnid in enumerate(wnids):
            below = f"{images}{place}/{wnid}"
            for name in _files(folder / below):
                file = f"{below}/{name}"
                yield LabelledPicture(file, label, split, file)


def _files(folder: Path) -> list[str]:
    """The files of a folder that may be pictures, in the order of their names."""
    with os.scandir(folder) as entries:  # is_file costs no look at the disk: the listing tells
        return sorted(e.name for e in entries if _may_be_picture(e.name) and e.is_file())


def _may_be_picture(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith(_SIDECARS)
