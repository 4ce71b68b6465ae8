"""One person's desk: where their things are."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sparse_peft.ui.desk import draft as drafts
from sparse_peft.ui.desk.draft import Draft, Task
from sparse_peft.ui.desk.turns import Turns

Place = Literal["computer", "server", "space"]
Tab = Literal["pictures", "methods", "compare"]
_PICTURES = Turns()


@dataclass(frozen=True)
class Studio:
    """What all desks share."""

    home: Path
    place: Place = "computer"
    """where it runs, as the page says it; folders may be typed in on one's own computer only"""


@dataclass(frozen=True)
class Desk:
    """Everything of one person, and what they look at."""

    studio: Studio
    owner: str
    open: str | None = None
    """the comparison on the Compare tab; one of `shipped` is open to all"""
    view: Mapping[str, str] = field(default_factory=dict, hash=False)
    """what else the boards drawn for one answer show, such as how far back history goes"""
    about: Task | None = None
    """what the page that asks is about; None: what this person last chose"""

    @property
    def home(self) -> Path:
        """The folder of all runs."""
        return self.studio.home

    @property
    def folder(self) -> Path:
        """What belongs to this person alone and to no run."""
        return self.home / "owners" / self.owner

    @property
    def pictures(self) -> Path:
        """The clean pictures of the draft."""
        return self.folder / "pictures"

    @property
    def class_pictures(self) -> Path:
        """The clean pictures of the draft's classes."""
        return self.folder / "classes"

    @property
    def task(self) -> Task:
        """What the page is about: one subject, or classes."""
        return self.about or drafts.task_of(self.folder)

    @property
    def draft(self) -> Draft:
        """The task's forms as they were left."""
        return drafts.read(self.folder, self.task)

    def change(self, **fields: Any) -> Draft:
        """Replace some fields of the task's draft and keep it."""
        return drafts.change(self.folder, self.task, **fields)

    def holding_pictures(self) -> AbstractContextManager[None]:
        """Inside it, no other tab of this person changes which pictures there are, nor deletes one.

        Nobody may hold them twice.
        """
        return _PICTURES.of(self.folder)

    def turned_to(self, task: Task) -> "Desk":
        """The same desk with the forms of a task before it."""
        return replace(self, about=task)
