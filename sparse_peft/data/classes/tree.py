"""A folder or an archive as a tree of names: contents are read later, one at a time."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sparse_peft.data.findings import Finding, shown
from sparse_peft.data.opening.folder import SIDECARS, read_inside
from sparse_peft.errors import DataError

MOST_BYTES = 25 * 2**20  # a picture
MOST_FILES = 50_000  # in a folder or an archive, pictures or not
DEEPEST = 3  # folders: train, class, one in it by mistake
SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")


@dataclass(frozen=True)
class Tree:
    """Folders and files that may be pictures, each in the order of their names."""

    where: str
    """What a person calls it."""
    folders: dict[str, "Tree"] = field(default_factory=dict)
    files: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    """How each is read; raises UnreadableError."""
    findings: list[Finding] = field(default_factory=list)
    """What was left out of it and of its folders."""

    def folder(self, name: str) -> "Tree":
        """The folder of that name in it, made if it is not there."""
        return self.folders.setdefault(name, Tree(f"{self.where}/{shown(name)}"))

    def has_files(self) -> bool:
        """Whether there is a file in it or in any of its folders."""
        return bool(self.files) or any(folder.has_files() for folder in self.folders.values())


def passed_over(name: str) -> bool:
    """Whether a name is of a hidden file, a sidecar or what a system leaves behind."""
    hidden = name.startswith(".") or name in SYSTEM_FOLDERS
    return hidden or os.path.splitext(name)[1].lower() in SIDECARS


def folder_tree(source: Path) -> Tree:
    """What a folder holds, DEEPEST folders down; no link out of it is followed.

    Raises:
        DataError: it cannot be opened, or holds too much.
    """
    return _Walk(source).tree


class _Walk:
    """One walk through a folder."""

    def __init__(self, source: Path) -> None:
        self.tree = Tree(str(source))
        self._source = source
        self._home = source.resolve()
        self._seen = 0
        self._read(source, self.tree, DEEPEST)

    def _read(self, folder: Path, tree: Tree, deeper: int) -> None:
        for entry in _entries(folder):
            if passed_over(entry.name):
                continue
            self._count()
            path = folder / entry.name
            if not _is_folder(entry):
                tree.files[entry.name] = functools.partial(read_inside, path, MOST_BYTES)
            elif entry.is_symlink() and self._home not in path.resolve().parents:
                text = "it is a link out of the folder, left out; copy the folder itself here"
                self.tree.findings.append(Finding(shown(entry.name), "warn", text))
            elif deeper:
                self._read(path, tree.folder(entry.name), deeper - 1)

    def _count(self) -> None:
        self._seen += 1
        if self._seen > MOST_FILES:
            raise DataError(
                f"There are more than {MOST_FILES:,} files in {self._source}; give a folder of"
                " class folders with fewer."
            )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, which is refused when it is read
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError as error:
        raise DataError(f"{folder} does not exist; give a folder of class folders.") from error
    except OSError as error:
        raise DataError(f"{folder} cannot be opened ({error.strerror}).") from error
