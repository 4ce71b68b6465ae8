"""A backbone by its name: where its files are, what can be tuned, its fingerprint; no torch.

Each kind has a module that knows its own, with the same verbs: `diffusion.source`, `clip.source`
and `vision.source`. They build on this one, which turns to them.
"""

import hashlib
import importlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from sparse_peft import tables

BUILTIN = Path(__file__).parent / "builtin_weights"
BUILTIN_TITLE = "Built-in"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w.-]+)?")  # ./model and ../model are folders

Kind = Literal["diffusion", "clip", "vision"]
Task = Literal["dreambooth", "fewshot"]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Source:
    """A backbone's folder on this machine."""

    id: str
    folder: Path
    family: str
    title: str
    kind: Kind = "diffusion"

    @property
    def known_nouns(self) -> tuple[str, ...]:
        """Nouns the backbone was trained on; empty where nobody wrote them down."""
        return tuple(_card(self.folder).get("objects", ()))

    @property
    def known_places(self) -> tuple[str, ...]:
        """Places the backbone was trained on; empty where nobody wrote them down."""
        return tuple(_card(self.folder).get("places", ()))

    @property
    def note(self) -> str | None:
        """What a person should know of its pictures before they choose it."""
        note: str | None = _card(self.folder).get("note")
        return note


def resolve(name: str, task: Task = "dreambooth") -> Source:
    """The backbone of that name; what is missing is fetched from the hub.

    Args:
        name: as `diffusion.source.resolve` has them, or for few-shot `clip.source.resolve` and
            `vision.source.resolve`.

    Raises:
        BackboneError: nothing of that name, it cannot be had, or it is of another kind.
    """
    source: Source = _room(_kind(name, task)).resolve(name)
    return source


def found(name: str, task: Task = "dreambooth") -> Source | None:
    """The backbone of that name if all of it is on this machine; nothing is downloaded.

    Raises:
        BackboneError: as in `resolve`, for what is on this machine and of another kind.
    """
    source: Source | None = _room(_kind(name, task)).found(name)
    return source


def side(name: str) -> int | None:
    """Pixels of a side of what a few-shot backbone sees; None where only a download would tell.

    Nothing is downloaded: where the weights are not here, their architecture may tell.

    Raises:
        BackboneError: as in `found`.
    """
    pixels: int | None = _room(_kind(name, "fewshot")).side(name)
    return pixels


def shapes(source: Source, targets: str) -> Shapes:
    """Shape of every weight that methods may tune: `component/<module path>` to (out, in).

    Raises:
        BackboneError: it has no such weights, or a file of them is damaged.
        SpecError: no such targets.
    """
    known: Shapes = _room(source.kind).shapes(source, targets)
    return known


def fingerprint(source: Source) -> str:
    """A sha256 that is the same for the same weights, wherever they lie."""
    sha256: str = _room(source.kind).fingerprint(source)
    return sha256


def path_of(written: str) -> Path | None:
    """What a person named, ~ being their home; None where nothing is called so."""
    path = os.path.expanduser(written)
    # Unlike Path.exists it does not raise for a name that is too long for the disk.
    return Path(path) if os.path.exists(path) else None


def file_sha256(path: Path) -> str:
    """sha256 of a file, read once as long as it does not change."""
    return _file_sha256(path, path.stat().st_mtime_ns)


@cache
def _file_sha256(path: Path, _modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kind(name: str, task: Task) -> Kind:
    if task == "dreambooth":
        return "diffusion"
    from sparse_peft.backbones.vision.names import is_vision  # it builds on this module

    return "vision" if is_vision(name) else "clip"


def _room(kind: Kind) -> ModuleType:
    return importlib.import_module(f"sparse_peft.backbones.{kind}.source")


def _card(folder: Path) -> dict[str, Any]:
    """What was written down of our own backbone; beside another the file is a stranger's."""
    return tables.read_json(folder.parent / "card.json") if BUILTIN in folder.parents else {}
