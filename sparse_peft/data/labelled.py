"""Labelled: pictures of some classes, what each class is called, and how they are saved."""

import hashlib
import json
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from sparse_peft import tables
from sparse_peft.errors import DataError, RunError, SpecError
from sparse_peft.files import sha256, verify_folder, write_folder, write_json

FORMAT = 1
KIND = "labelled"
DATA_FILE = "data.json"

Split = Literal["pool", "train", "val", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
_SHA256 = re.compile("[0-9a-f]{64}")


def png_name(sha256: str) -> str:
    """The name of a clean picture, from the sha256 of its PNG."""
    return f"{sha256[:16]}.png"


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and the class that it shows."""

    file: str
    """Where it stands below the set's folder, or below `root` of a set in place."""
    label: int
    """The place of its class in `classes`."""
    split: Split
    """pool: drawn for training, or else tested on; the others were given apart."""
    name: str
    """What the person called it, such as `red_apple/01.jpg`."""
    sha256: str = ""
    """Of the file; empty for a set in place, whose files are not ours."""


@dataclass(frozen=True)
class Labelled:
    """Pictures of some classes, drawn from by seed."""

    classes: tuple[str, ...]
    """As a prompt says them."""
    pictures: tuple[LabelledPicture, ...]
    title: str = ""
    """What the folder or the published set is called."""
    root: str | None = None
    """The folder of a set that stays in place; None: the pictures stand beside data.json."""
    drawn: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Published draws: "shots-seed" to places in `pictures`."""

    def __post_init__(self) -> None:
        if not self.classes or not self.pictures:
            raise SpecError("a labelled set needs at least one class and one picture")
        if self.root is not None and not Path(self.root).is_absolute():
            raise SpecError(f"root {self.root!r} is not an absolute path")
        for place, picture in enumerate(self.pictures):
            problem = _problem(picture, len(self.classes), self.root is not None)
            if problem:
                raise SpecError(f"pictures[{place}]{problem}")
        for draw, places in self.drawn.items():
            if not re.fullmatch(r"[1-9]\d*-\d+", draw):
                raise SpecError(f"drawn holds {draw[:40]!r}; expected SHOTS-SEED such as '4-1'")
            if not all(0 <= place < len(self.pictures) for place in places):
                raise SpecError(f"drawn[{draw!r}] names a picture that is not there")

    @cached_property
    def id(self) -> str:
        """A name that follows from the content: the same set has the same one."""
        content = json.dumps(_table(self), sort_keys=True)
        slug = re.sub(r"[^a-z0-9]+", "-", self.title.lower())[:40].strip("-") or "classes"
        return f"{slug}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def counts(self, *splits: Split) -> tuple[int, ...]:
        """How many pictures of these splits each class has, in the order of `classes`."""
        return tuple(len(self.places(label, *splits)) for label in range(len(self.classes)))

    def places(self, label: int, *splits: Split) -> list[int]:
        """Where in `pictures` those of one class and these splits stand, split by split."""
        return [place for split in splits for place in self._places.get((label, split), ())]

    @cached_property
    def _places(self) -> dict[tuple[int, str], list[int]]:
        places: dict[tuple[int, str], list[int]] = defaultdict(list)
        for place, picture in enumerate(self.pictures):
            places[picture.label, picture.split].append(place)
        return places

    def home(self, folder: Path) -> Path:
        """The folder below which the pictures' files stand.

        Args:
            folder: where data.json is.
        """
        return folder if self.root is None else Path(self.root)

    def save(self, decoded: Path, data: Path) -> Path:
        """Write the set below a data folder, whole or not at all, and give its own folder.

        Of a set in place, data.json alone is written.

        Args:
            decoded: where `open_classes` put the clean pictures; not read for a set in place.
        """
        final = data / self.id
        if not _intact(final):
            write_folder(final, lambda folder: self._fill(folder, decoded))
        return final

    def _fill(self, folder: Path, decoded: Path) -> None:
        if self.root is None:
            for file in dict.fromkeys(picture.file for picture in self.pictures):
                shutil.copyfile(decoded / file, folder / file)
        head = {"format": FORMAT, "kind": KIND, "id": self.id}
        write_json(folder / DATA_FILE, head | _table(self))

    @classmethod
    def load(cls, folder: Path) -> "Labelled":
        """The set in a folder, each picture's sha256 compared.

        Of a set in place, only that its root is there is checked.

        Raises:
            SpecError: data.json is not what `save` writes.
            DataError: a picture is missing or damaged, or the root of a set in place is gone.
        """
        path = folder / DATA_FILE
        table = tables.read_json(path)
        if table.pop("format", None) != FORMAT or table.pop("kind", None) != KIND:
            raise DataError(
                f"{path} is of another format; expected {FORMAT} of kind {KIND}."
                " Open the pictures again."
            )
        table.pop("id", None)
        pictures = _pictures(table.pop("pictures", None), str(path))
        head = tables.build(_Head, table, str(path))
        try:
            labelled = cls(pictures=pictures, **vars(head))
        except SpecError as error:
            raise SpecError(f"{path}: {error}") from error
        labelled._check_files(folder)
        return labelled

    def _check_files(self, folder: Path) -> None:
        if self.root is not None:
            if not Path(self.root).is_dir():
                raise DataError(
                    f"{self.root} is not there any more, and the pictures of {self.title!r} stay in"
                    " it. Put it back, or open the set again from where it is."
                )
            return
        for picture in self.pictures:
            file = folder / picture.file
            if not file.is_file() or sha256(file) != picture.sha256:
                raise DataError(f"{file} is missing or damaged. Open the pictures again.")


@dataclass(frozen=True)
class _Head:
    """data.json without its pictures, which are rows: a table each would take six times as long."""

    classes: tuple[str, ...]
    title: str
    root: str | None
    drawn: dict[str, tuple[int, ...]]


def _table(labelled: Labelled) -> dict[str, Any]:
    head = _Head(labelled.classes, labelled.title, labelled.root, labelled.drawn)
    rows = [[p.file, p.label, p.split, p.name, p.sha256] for p in labelled.pictures]
    return tables.table(head) | {"pictures": rows}


def _pictures(rows: Any, where: str) -> tuple[LabelledPicture, ...]:
    """The pictures of data.json; SpecError names the row that is none."""
    if not isinstance(rows, list):
        raise SpecError(f"{where}.pictures is missing; expected a list of pictures.")
    kinds = [str, int, str, str, str]
    for place, row in enumerate(rows):
        if not isinstance(row, list) or [type(cell) for cell in row] != kinds:
            raise SpecError(
                f"{where}.pictures[{place}] is no picture; expected file, label, split, name and"
                " sha256."
            )
        if row[2] not in SPLITS:
            raise SpecError(
                f"{where}.pictures[{place}].split is {row[2][:40]!r}; expected one of"
                f" {', '.join(SPLITS)}."
            )
    return tuple(LabelledPicture(*row) for row in rows)


def _problem(picture: LabelledPicture, classes: int, in_place: bool) -> str | None:
    """What is wrong with a picture, to follow "pictures[0]"."""
    if not 0 <= picture.label < classes:
        return f".label is {picture.label}; expected 0 to {classes - 1}"
    if in_place:
        path = PurePosixPath(picture.file)
        if path.is_absolute() or not path.parts or ".." in path.parts or picture.sha256:
            return f" is {picture.file[:60]!r}; expected a path below the root, and no sha256"
    elif not _SHA256.fullmatch(picture.sha256) or picture.file != png_name(picture.sha256):
        return f" is {picture.file[:60]!r}; expected the name that follows from its sha256"
    return None


def _intact(folder: Path) -> bool:
    try:
        verify_folder(folder)
    except RunError:
        return False
    return True
