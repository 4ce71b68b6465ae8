"""A comparison for the page: what there is of it by now, and the addresses of its pictures."""

from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sparse_peft import compare
from sparse_peft.comparison import REPORT, ClassesOutcome, ComparisonOutcome
from sparse_peft.measure import Drawn
from sparse_peft.report.pictures import Read, Source
from sparse_peft.ui.classes.compare import live as compare_live
from sparse_peft.ui.classes.compare import pictures as compare_pictures
from sparse_peft.ui.comparisons import mine, shipped
from sparse_peft.ui.desk.desk import Desk

SUBJECT = "dreambooth"  # the task of one subject; the other one is about classes
SIDE = 256  # pixels of the person's pictures on the page
KEPT_RUNS = 256  # finished ones whose features are held; a few kB each

Stamp = tuple[tuple[int, int], ...]


def comparison_of(desk: Desk, comparison: str) -> dict[str, Any]:
    """What `comparison.json` would hold at this moment; nobody may change it.

    Args:
        comparison: an id, several joined by +, or that of one that comes with the studio.

    Raises:
        UserError: it is not there, is someone else's, or cannot be shown.
    """
    if shipped.is_there(comparison):
        return shipped.content(comparison)
    outcome = mine.opened(desk, comparison)
    if isinstance(outcome, ClassesOutcome):
        return compare_live.assembled(outcome)
    return compare.assemble(outcome, _remembered)


def source_of(desk: Desk, comparison: str) -> Source:
    """The address of a picture, by its path in the comparison.

    Raises:
        UserError: as in `comparison_of`.
    """
    if shipped.is_there(comparison):
        return shipped.source(comparison)
    outcome = mine.opened(desk, comparison)
    if isinstance(outcome, ClassesOutcome):
        classes = outcome
        return lambda path: compare_pictures.address(desk, classes, path)
    subject = outcome
    return lambda path: _address(desk, subject, path)


def read_of(desk: Desk, comparison: str) -> Read:
    """The content of a file, by its path in the comparison.

    Raises:
        UserError: as in `comparison_of`.
    """
    if shipped.is_there(comparison):
        return shipped.read(comparison)
    return mine.opened(desk, comparison).content


def _address(desk: Desk, outcome: ComparisonOutcome, path: str) -> str:
    if not path.startswith("pictures/"):
        return f"/studio/files/{quote(_below(outcome.place(path), desk.home / 'runs'))}"
    file, square = outcome.picture(path)
    own = _below(file, desk.home / "data" / desk.owner)
    return f"/studio/data/{quote(own)}?square={','.join(map(str, square))}&side={SIDE}"


def _below(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _remembered(folder: Path, base: Drawn | None) -> Drawn:
    """What a run drew; read again only where its report or its features are others."""
    files = (folder / REPORT, folder / "features.safetensors")
    stamp = tuple(_stamp(path) for path in files)
    return _drawn(folder, stamp, base)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:  # the reader says what that means
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=KEPT_RUNS)
def _drawn(folder: Path, stamp: Stamp, base: Drawn | None) -> Drawn:
    del stamp
    return Drawn.read(folder, base)
