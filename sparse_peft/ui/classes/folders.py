"""Boxes out of class folders: a ZIP, the example, or a data set that was used before."""

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from sparse_peft import tables
from sparse_peft.data.classes.folders import open_classes
from sparse_peft.data.labelled import DATA_FILE, KIND, Labelled
from sparse_peft.errors import DataError, SpecError, UserError
from sparse_peft.ui.classes import boxes as filling
from sparse_peft.ui.classes.form import Box, BoxPicture
from sparse_peft.ui.desk.desk import Desk

EXAMPLE = Path(__file__).parents[3] / "examples" / "classes"
EXAMPLE_TITLE = "ten animals"
MOST_SHOWN = 6  # data sets that were used before
MOST_SAID = 4  # sentences about an archive
THUMBS = 3


def add_archive(desk: Desk, path: Path) -> None:
    """Put the classes of a ZIP of class folders beside those that are there.

    Raises:
        DataError: it is no such ZIP, or there would be too much; the sentence names no folder of
            this machine.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            # The page itself says how small all pictures are, for the backbone of the moment.
            labelled, findings = open_classes(path, Path(scratch), wanted_side=0)
        except UserError as error:
            raise DataError(str(error).replace(str(path), path.name)) from error
        said = [str(each).replace(str(path), path.name) for each in findings]
        filling.join(desk, Path(scratch), boxes_of(labelled), path.stem, said[:MOST_SAID])


def put_example(desk: Desk) -> None:
    """Replace all boxes by the example's."""
    with tempfile.TemporaryDirectory() as scratch:
        labelled, _ = open_classes(EXAMPLE, Path(scratch))
        filling.put(desk, Path(scratch), boxes_of(labelled), EXAMPLE_TITLE, ())


def put_kept(desk: Desk, folder: Path) -> Labelled:
    """Replace all boxes by a data set of this person.

    Raises:
        DataError, SpecError: it is damaged, or its pictures stay in a folder of their own.
    """
    labelled = Labelled.load(folder)
    if labelled.root is not None:
        raise SpecError(
            f"The pictures of {labelled.title} stay in {labelled.root}; the page copies pictures."
            " Use the command line for this set."
        )
    filling.put(desk, folder, boxes_of(labelled), labelled.title, ())
    return labelled


def boxes_of(labelled: Labelled) -> tuple[Box, ...]:
    """A data set as boxes."""
    return tuple(
        Box(
            id="",
            name=name,
            pictures=_pictures(labelled, label, ("pool", "train")),
            tests=_pictures(labelled, label, ("test",)),
        )
        for label, name in enumerate(labelled.classes)
    )


@dataclass(frozen=True)
class Kept:
    """A data set of classes that was used before."""

    id: str
    title: str
    classes: tuple[str, ...]
    pictures: int
    first: tuple[str, ...]
    """files of its first classes, one each"""


def kept(desk: Desk) -> list[Kept]:
    """This person's data sets of classes, the latest first."""
    paths = (desk.home / "data" / desk.owner).glob(f"*/{DATA_FILE}")
    stamped = sorted(((path.stat().st_mtime_ns, path) for path in paths), reverse=True)
    found = (_read(path, stamp) for stamp, path in stamped)
    return list(islice((each for each in found if each is not None), MOST_SHOWN))


@lru_cache(256)
def _read(path: Path, _stamp: int) -> Kept | None:
    """What there is to show of a data set; None where it is of another kind or damaged."""
    try:
        table = tables.read_json(path)
        if table.get("kind") != KIND or table["root"] is not None:
            return None
        firsts = {row[1]: row[0] for row in reversed(table["pictures"])}
        names, title = tuple(map(str, table["classes"])), str(table["title"])
        files = tuple(str(firsts[label]) for label in sorted(firsts)[:THUMBS])
        return Kept(path.parent.name, title, names, len(table["pictures"]), files)
    except (UserError, KeyError, TypeError, IndexError):
        return None


def _pictures(labelled: Labelled, label: int, splits: tuple[str, ...]) -> tuple[BoxPicture, ...]:
    mine = [p for p in labelled.pictures if p.label == label and p.split in splits]
    once = {picture.sha256: picture for picture in mine}
    return tuple(BoxPicture(p.name.rpartition("/")[2], p.sha256) for p in once.values())
