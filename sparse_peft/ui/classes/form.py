"""What a person has put together on the first step for classes: named boxes of pictures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sparse_peft.data.findings import Finding
from sparse_peft.data.labelled import png_name
from sparse_peft.errors import SpecError

SHOTS = 4


@dataclass(frozen=True)
class BoxPicture:
    """One clean picture: an RGB PNG named by its content."""

    name: str
    """what the person called the file"""
    sha256: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise SpecError(f"sha256 {self.sha256[:70]!r} is not one")  # it becomes a file's name

    @property
    def file(self) -> str:
        """The name of the PNG."""
        return png_name(self.sha256)


@dataclass(frozen=True)
class Box:
    """One class: its name and its pictures."""

    id: str
    """its own among the boxes of a draft, and never another's"""
    name: str = ""
    pictures: tuple[BoxPicture, ...] = ()
    tests: tuple[BoxPicture, ...] = ()
    """its own test pictures; none: what is not drawn for training tests it"""
    left_out: tuple[Finding, ...] = ()
    """what was said of files that cannot be used, or came twice"""
    unfolded: bool = False
    """whether all its pictures are shown"""

    @property
    def everything(self) -> tuple[BoxPicture, ...]:
        """All its pictures, its test pictures last."""
        return (*self.pictures, *self.tests)


@dataclass(frozen=True)
class ClassForm:
    """The boxes, and what is asked of them."""

    boxes: tuple[Box, ...] = (Box("1"), Box("2"))
    numbered: int = 2
    """how many boxes there have been, so that a new one gets an id of its own"""
    title: str = ""
    """of the folder or the ZIP that the boxes came from"""
    said: tuple[str, ...] = ()
    """what was said of that folder or ZIP as a whole"""
    shots: int = SHOTS
    """training pictures of each class"""
    template: str = ""
    """what CLIP reads for each class; empty: the preset's"""
    linear_probe: bool = False
    """whether the linear probe is computed too"""
    base_to_new: bool = False
    """whether the first half of the classes is learned and both halves test it"""

    def everything(self) -> Iterator[BoxPicture]:
        """Every picture of every box."""
        for box in self.boxes:
            yield from box.everything
