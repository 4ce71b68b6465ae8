"""studio.db: its tables, and how they are filled from the run directories."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs import removal, spec
from sparse_peft.runs.run import Outcome, RunDirectory
from sparse_peft.runs.spec import ComparisonSpec, RunSpec

VERSION = 1
_BUSY_SECONDS = 30.0  # another writer is done in milliseconds
_SCHEMA = """
CREATE TABLE comparisons (id TEXT PRIMARY KEY, owner TEXT NOT NULL);
CREATE TABLE runs (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    comparison TEXT REFERENCES comparisons (id),
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    device TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    note TEXT,
    fell_with TEXT
);
CREATE TABLE needs (
    run TEXT NOT NULL REFERENCES runs (id),
    need TEXT NOT NULL REFERENCES runs (id),
    PRIMARY KEY (run, need)
);
CREATE INDEX runs_by_state ON runs (state, position);
"""


def open_database(home: Path) -> sqlite3.Connection:
    """The open database of a home; a new one is filled from the run directories.

    Raises:
        RunError: the file is damaged or belongs to a newer version.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "studio.db"
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        with Lock(opening_lock_path(home)):  # the change to WAL bears no company
            _prepare(db, home)
    except sqlite3.OperationalError:  # busy or full: the file is not to blame
        db.close()
        raise
    except sqlite3.DatabaseError as error:
        db.close()
        raise RunError(
            f"{path} is damaged ({error}). Remove it: it is only an index, and is made anew from "
            "the run directories."
        ) from error
    except BaseException:
        db.close()
        raise
    return db


def opening_lock_path(home: Path) -> Path:
    """The lock that is held while the database is opened, or a comparison removed."""
    return home / "locks" / "studio.db.lock"


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of what is done inside, or nothing; one writer at a time."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def insert_comparison(db: sqlite3.Connection, comparison: ComparisonSpec) -> None:
    """Add a comparison."""
    db.execute("INSERT INTO comparisons VALUES (?, ?)", (comparison.id, comparison.owner))


def insert_run(db: sqlite3.Connection, run: RunSpec, outcome: Outcome) -> None:
    """Add a run in the state that its directory tells."""
    db.execute(
        "INSERT INTO runs (id, comparison, kind, owner, state, device, attempts, error, note) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(run.id, run.comparison, run.kind, run.owner, outcome.state),
            *(outcome.device, outcome.attempt, outcome.error, outcome.note),
        ),
    )


def insert_needs(db: sqlite3.Connection, run: RunSpec) -> None:
    """Add what a run waits for; those runs are there already."""
    db.executemany("INSERT INTO needs VALUES (?, ?)", [(run.id, need) for need in run.needs])


def fall(db: sqlite3.Connection, run_id: str) -> None:
    """End what waits for a run that failed or was cancelled, with a sentence that says so."""
    kind, state, error = db.execute(
        "SELECT kind, state, error FROM runs WHERE id = ?", (run_id,)
    ).fetchone()
    reason = f" failed: {error}" if state == "failed" else " was cancelled."
    db.execute(
        "WITH RECURSIVE behind (id) AS (SELECT run FROM needs WHERE need = :id "
        "UNION SELECT needs.run FROM needs JOIN behind ON needs.need = behind.id) "
        "UPDATE runs SET state = :state, error = :error, fell_with = :id "
        "WHERE state = 'queued' AND id IN (SELECT id FROM behind)",
        {"id": run_id, "state": state, "error": f"Its {kind} run {run_id}{reason}"},
    )


def _prepare(db: sqlite3.Connection, home: Path) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    with transaction(db):
        (found,) = db.execute("PRAGMA user_version").fetchone()
        if found > VERSION:
            raise RunError(
                f"{home / 'studio.db'} has format {found}; this version reads format {VERSION}. "
                "Use a newer version of Sparse PEFT Studio."
            )
        if found == 0:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            _fill(db, home)
            db.execute(f"PRAGMA user_version = {VERSION}")
        left = removal.decided(home)
        for comparison, runs in left:
            removal.forget(db, comparison, runs)
    for comparison, runs in left:
        removal.clear(home, comparison, runs)


def _fill(db: sqlite3.Connection, home: Path) -> None:
    """Index every run whose comparison is complete, and every run that stands alone."""
    complete = sorted((home / "comparisons").glob("*/comparison.json"))
    comparisons = [spec.read_comparison_spec(path) for path in complete]
    for comparison in comparisons:
        insert_comparison(db, comparison)
    whole = {None, *(comparison.id for comparison in comparisons)}
    found = [spec.read_run_spec(path) for path in sorted((home / "runs").glob("*/run.json"))]
    runs = {run.id: run for run in found if run.comparison in whole}
    for run in runs.values():
        outcome = RunDirectory.of(home, run.id).outcome()
        absent = [need for need in run.needs if need not in runs]
        if absent and outcome.state == "queued":
            outcome = Outcome("failed", 0, f"Run {absent[0]}, which it needs, is gone.")
        insert_run(db, run, outcome)
    for run in runs.values():
        pairs = [(run.id, need) for need in run.needs if need in runs]
        db.executemany("INSERT INTO needs VALUES (?, ?)", pairs)
    ended = "SELECT id FROM runs WHERE state IN ('failed', 'cancelled') ORDER BY position"
    for (run_id,) in db.execute(ended).fetchall():
        fall(db, run_id)
