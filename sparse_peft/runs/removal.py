"""Removing a comparison for good: decided in one file, then done, by whoever comes first.

`home/removed/<id>` names the comparison's runs. From the moment it stands there the comparison is
to be gone; a crash leaves it for the next opening of the store, which does the rest.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from sparse_peft import files
from sparse_peft.runs.run import RunDirectory

FOLDER = "removed"


def decide(home: Path, comparison: str, runs: Sequence[str]) -> None:
    """Write down that a comparison is to be removed, with its runs."""
    (home / FOLDER).mkdir(exist_ok=True)
    files.write_json(home / FOLDER / comparison, list(runs))


def decided(home: Path) -> list[tuple[str, list[str]]]:
    """Comparisons that are to be removed, each with its runs; not those a worker still has."""
    if not (home / FOLDER).is_dir():
        return []
    found = []
    for path in sorted((home / FOLDER).glob("[!.]*")):
        runs = json.loads(path.read_text(encoding="utf-8"))
        if not any(RunDirectory.of(home, run).locked() for run in runs):
            found.append((path.name, runs))
    return found


def forget(db: sqlite3.Connection, comparison: str, runs: Sequence[str]) -> None:
    """Take the rows of a comparison and of its runs out of the database."""
    for run in runs:
        db.execute("DELETE FROM needs WHERE run = ?1 OR need = ?1", (run,))
    for run in runs:
        db.execute("DELETE FROM runs WHERE id = ?", (run,))
    db.execute("DELETE FROM comparisons WHERE id = ?", (comparison,))


def clear(home: Path, comparison: str, runs: Sequence[str]) -> None:
    """Remove the directories, then the file that says so; what is gone already is no mistake.

    comparison.json goes first: without it no store made anew takes the runs for submitted.
    """
    folder = home / "comparisons" / comparison
    (folder / "comparison.json").unlink(missing_ok=True)
    for path in (folder, *(RunDirectory.of(home, run).path for run in runs)):
        if path.exists():
            shutil.rmtree(path)
    (home / FOLDER / comparison).unlink(missing_ok=True)
