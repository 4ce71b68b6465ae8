"""What a folder or a list of files offers, read without following a link out of it."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft.data.findings import Finding, UnreadableError, shown
from sparse_peft.errors import DataError

SIDECARS = frozenset(
    (
        *(".txt", ".caption", ".csv", ".tsv", ".json", ".jsonl", ".toml", ".yaml", ".yml", ".md"),
        *(".xmp", ".aae", ".ini", ".db"),  # what photo programs and file managers leave behind
    )
)


@dataclass(frozen=True)
class Listing:
    """The files that may be pictures, in the order of their names, and what was passed over."""

    files: tuple[Path, ...]
    findings: tuple[Finding, ...]


def listing(source: Path | Sequence[Path]) -> Listing:
    """What a folder, or a list of files, offers.

    Hidden files and sidecars (captions, thumbnails' databases) are passed over in silence,
    subfolders with a note.

    Raises:
        DataError: there is no such folder, or it cannot be opened.
    """
    if not isinstance(source, Path):
        return Listing(tuple(sorted(source, key=lambda path: path.name)), ())
    try:
        entries = sorted(source.iterdir(), key=lambda path: path.name)
    except FileNotFoundError as error:
        raise DataError(f"{source} does not exist; give a folder with 3 to 6 pictures.") from error
    except NotADirectoryError as error:
        raise DataError(f"{source} is a file; give the folder that it is in.") from error
    except OSError as error:
        raise DataError(f"{source} cannot be opened ({error.strerror}).") from error
    seen = [entry for entry in entries if not _passed_over(entry)]
    folders = [entry for entry in seen if entry.is_dir()]
    findings = [Finding(None, "info", _subfolder_note(folders))] if folders else []
    return Listing(tuple(entry for entry in seen if entry not in folders), tuple(findings))


def read_inside(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file of at most `most_bytes` that lies in the folder it is named in.

    Raises:
        UnreadableError: it does not, or it is no regular file, too large or unreadable.
    """
    try:
        resolved = path.resolve(strict=True)
        if path.parent.resolve() not in resolved.parents:
            raise UnreadableError("it is a link out of the folder; copy the picture itself here")
        with open(resolved, "rb", opener=_open_safely) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("it is not a file")
            if status.st_size > most_bytes:
                raise UnreadableError(
                    f"it has {in_words(status.st_size)}, at most {in_words(most_bytes)} are"
                    " allowed; make it smaller"
                )
            return file.read(most_bytes)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        reason = error.strerror if isinstance(error, OSError) else "a link to itself"
        raise UnreadableError(f"it cannot be opened ({reason})") from error


def in_words(size: int) -> str:
    """A number of bytes for a sentence: `25 MB`, `4 kB`."""
    return f"{round(size / 2**20, 1):g} MB" if size >= 2**20 else f"{round(size / 2**10, 1):g} kB"


def _open_safely(path: str, flags: int) -> int:
    # NOFOLLOW: the name was resolved a moment ago, and must not have become a link since.
    # NONBLOCK: a pipe that nobody writes to would wait for ever.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _passed_over(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.suffix.lower() in SIDECARS


def _subfolder_note(folders: list[Path]) -> str:
    names = ", ".join(shown(folder.name) for folder in folders[:3])
    more = " ..." if len(folders) > 3 else ""
    return f"Subfolders are ignored ({names}{more}); pictures are taken from the folder itself."
