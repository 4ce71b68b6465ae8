"""Deleting for good: what would go, in numbers, and doing it."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sparse_peft.data.opening.folder import in_words
from sparse_peft.errors import RunError
from sparse_peft.planning import read_plan
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.ui.classes.compare import trying as compare_trying
from sparse_peft.ui.clicks.starting import alone
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk


class Weight(NamedTuple):
    """What a deletion takes away."""

    runs: int
    """trainings"""
    pictures: int
    """of the person; none where another comparison has them too"""
    bytes: int


def weighed(desk: Desk, comparison: str) -> Weight:
    """What deleting a comparison would take away.

    Raises:
        RunError: there is none of that id here.
    """
    comparison = mine.comparison(desk, comparison)
    data = _data_of_its_own(desk, comparison)
    with Store(desk.home) as store:
        rows = store.runs(comparison)
    folders = [RunDirectory.of(desk.home, row.id).path for row in rows]
    folders += [desk.home / "comparisons" / comparison, *([data] if data else [])]
    pictures = sum(path.suffix == ".png" for path in data.iterdir()) if data else 0
    return Weight(sum(row.kind == "train" for row in rows), pictures, _bytes(folders))


def weighed_all(desk: Desk) -> Weight:
    """What deleting everything of this person would take away, their desk included."""
    data = desk.home / "data" / desk.owner
    with Store(desk.home) as store:
        comparisons = store.comparisons(desk.owner)
        rows = [row for one in comparisons for row in store.runs(one)]
    folders = [RunDirectory.of(desk.home, row.id).path for row in rows]
    folders += [desk.home / "comparisons" / one for one in comparisons]
    pictures = {path.name for folder in (data, desk.folder) for path in folder.rglob("*.png")}
    runs = sum(row.kind == "train" for row in rows)
    return Weight(runs, len(pictures), _bytes([*folders, data, desk.folder]))


def sentence(weight: Weight) -> str:
    """What is said before the second click."""
    parts = [f"{weight.runs} run{'' if weight.runs == 1 else 's'}"]
    if weight.pictures:
        parts.append(f"{weight.pictures} picture{'' if weight.pictures == 1 else 's'}")
    return f"Deletes {', '.join(parts)} and {in_words(weight.bytes)}. This cannot be undone."


def delete(desk: Desk, comparison: str) -> None:
    """Remove a comparison, and its pictures unless another comparison has them too.

    Raises:
        RunError: there is none of that id here, or one of its runs is at work.
    """
    comparison = mine.comparison(desk, comparison)
    with alone(desk):
        data = _data_of_its_own(desk, comparison)
        with Store(desk.home) as store:
            store.remove(comparison)
        if data:
            shutil.rmtree(data)
        compare_trying.sweep(desk)


def forget_all(desk: Desk) -> None:
    """Remove everything of this person: comparisons, data sets and what is on the desk.

    Raises:
        RunError: a run was at work; it has been told to stop, and all else is gone.
    """
    left = 0
    with alone(desk), Store(desk.home) as store:
        for comparison in store.comparisons(desk.owner):
            for row in reversed(store.runs(comparison)):
                if row.state in ("queued", "running"):
                    client.cancel(desk.home, row.id, "discard")
            try:
                store.remove(comparison)
            except RunError:  # at work: it is removed once it has stopped
                left += 1
        shutil.rmtree(desk.folder, ignore_errors=True)
        if not left:
            shutil.rmtree(desk.home / "data" / desk.owner, ignore_errors=True)
    if left:
        client.ensure_runner(desk.home)
        raise RunError("A run is still stopping; all else is deleted. Delete again in a moment.")


def _data_of_its_own(desk: Desk, comparison: str) -> Path | None:
    """The folder of a comparison's pictures, if it alone of this person's has them."""
    with Store(desk.home) as store:
        subjects = {
            one: read_plan(store.comparison(one)).dataset for one in store.comparisons(desk.owner)
        }
    subject = subjects.pop(comparison)
    folder = desk.home / "data" / subject
    owned = folder.parent == desk.home / "data" / desk.owner
    return folder if owned and subject not in subjects.values() and folder.is_dir() else None


def _bytes(folders: Iterable[Path]) -> int:
    """Bytes below some folders; a file with several names counts once."""
    files = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                files[status.st_dev, status.st_ino] = status.st_size
    return sum(files.values())
