"""Addresses of the pictures of a few-shot comparison; none of them is read."""

from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from sparse_peft import tables
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.data.labelled import DATA_FILE
from sparse_peft.errors import UserError
from sparse_peft.ui.desk.desk import Desk

SIDE = 256  # pixels, longer side, of a picture on the page
THUMB_SIDE = 128  # of the small ones, for a screen of twice the density
THUMBS = 4  # classes of which history shows a picture
MOST_THUMBS = 24

Row = tuple[str, int, str]  # class, place and file of a picture


def address(desk: Desk, outcome: ClassesOutcome, path: str) -> str:
    """The address of what stands at a path of the comparison: a picture, or a map of change."""
    if not path.startswith("pictures/"):
        name = outcome.place(path).relative_to(desk.home / "runs").as_posix()
        return f"/studio/files/{quote(name)}"
    place = int(PurePosixPath(path).stem)
    own = desk.home / "data" / outcome.dataset
    file = outcome.pictures[place]
    return _picture(outcome.id, own, place, file.name if file.parent == own else None, SIDE)


def first_pictures(
    desk: Desk, comparison: str, dataset: str, count: int = THUMBS
) -> list[tuple[str, str | None]]:
    """Name and address of a picture of each of the first classes; None: the pictures are gone."""
    folder = desk.home / "data" / dataset
    try:
        rows, in_place = _first(folder / DATA_FILE, (folder / DATA_FILE).stat().st_mtime_ns)
    except (OSError, UserError):
        return [("Picture", None)]
    found: list[tuple[str, str | None]] = []
    for name, place, file in rows[:count]:
        found.append(
            (name, _picture(comparison, folder, place, None if in_place else file, THUMB_SIDE))
        )
    return found


def _picture(comparison: str, folder: Path, place: int, file: str | None, side: int) -> str:
    """Below the person's data, or, of a set that stays in place, by its number."""
    if file is None:
        return f"/studio/comparisons/{quote(comparison)}/pictures/{place}?side={side}"
    return f"/studio/data/{quote(folder.name)}/{quote(file)}?side={side}"


@lru_cache(maxsize=256)
def _first(path: Path, stamp: int) -> tuple[tuple[Row, ...], bool]:
    """Of the first classes, the first picture; and whether the set stays in place."""
    del stamp  # of another content: read anew
    table = tables.read_json(path)
    classes: list[str] = list(table["classes"])
    found: dict[int, Row] = {}
    for place, (file, label, *_) in enumerate(table["pictures"]):
        if label < MOST_THUMBS:
            found.setdefault(label, (classes[label], place, file))
    return tuple(found[label] for label in sorted(found)), table.get("root") is not None
