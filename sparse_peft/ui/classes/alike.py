"""What clean PNGs tell: which look nearly the same in two classes, and how small they are."""

from functools import lru_cache
from pathlib import Path

from PIL import Image

from sparse_peft.data.classes.checks import Seen, nearly_the_same
from sparse_peft.data.labelled import png_name
from sparse_peft.data.opening import clean
from sparse_peft.ui.classes.form import ClassForm

MOST_PAIRS = 100  # that are told
_LOOKS_KEPT = 8192  # of pictures, in memory
_FORMS_KEPT = 16

Places = tuple[tuple[str, str], ...]


def in_two_classes(folder: Path, form: ClassForm) -> dict[tuple[str, str], str]:
    """By box and sha256, what a picture nearly equals in a box before it.

    Args:
        folder: where the pictures are.
    """
    names = {
        (box.id, picture.sha256): (picture.name, box.name or f"class {place}")
        for place, box in enumerate(form.boxes, 1)
        for picture in box.everything
    }
    files = tuple((box.id, picture.sha256) for box in form.boxes for picture in box.everything)
    return {
        files[other]: "nearly the same as {} in {}".format(*names[files[first]])
        for first, other in _pairs(folder, files)
    }


def sides(folder: Path, form: ClassForm) -> list[int]:
    """The shorter side of each picture, in pixels.

    Args:
        folder: where the pictures are.
    """
    return [_side(folder / picture.file) for picture in form.everything()]


@lru_cache(_FORMS_KEPT)  # the page is drawn far more often than pictures come
def _pairs(folder: Path, places: Places) -> tuple[tuple[int, int], ...]:
    boxes = list(dict.fromkeys(box for box, _ in places))
    seen = [_seen(folder, boxes.index(box), sha256) for box, sha256 in places]
    return tuple(nearly_the_same(seen, MOST_PAIRS)[0]) if len(boxes) > 1 else ()


def _seen(folder: Path, label: int, sha256: str) -> Seen:
    difference_hash, thumbnail = _look(folder / png_name(sha256))
    return Seen("", label, "pool", sha256, 0, False, difference_hash, thumbnail)


@lru_cache(_LOOKS_KEPT)
def _side(path: Path) -> int:
    with Image.open(path, formats=["PNG"]) as picture:
        return min(picture.size)


@lru_cache(_LOOKS_KEPT)
def _look(path: Path) -> tuple[int, bytes]:
    """One of our own PNGs, whose name follows from its content."""
    with Image.open(path, formats=["PNG"]) as picture:
        return clean.difference_hash(picture), clean.thumbnail(picture)
