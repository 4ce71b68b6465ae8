"""The queue of runs and an index of them; the run directories are the truth."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs import database, removal, spec
from sparse_peft.runs.run import Outcome, RunDirectory
from sparse_peft.runs.spec import ComparisonSpec, RunSpec, State
from sparse_peft.tables import nearest

_COLUMNS = "id, comparison, kind, owner, state, device, attempts, error, note"
# Somebody waits for work of seconds: it does not stand behind trainings.
SHORT = ("generate", "classify", "merge", "probe")
_TURN = f"kind NOT IN {SHORT}, position"
_READY = """
    state = 'queued' AND NOT EXISTS (
        SELECT 1 FROM needs JOIN runs AS needed ON needed.id = needs.need
        WHERE needs.run = runs.id AND needed.state != 'finished')
"""


@dataclass(frozen=True)
class RunRow:
    """What the store knows of a run."""

    id: str
    comparison: str | None
    kind: str
    owner: str
    state: State
    device: str | None
    attempts: int
    error: str | None
    """why it failed, in one sentence"""
    note: str | None
    """what else a person should know of its end"""


class Store:
    """An open studio.db; each thread opens its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._db = database.open_database(home)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Submitting ---------------------------------------------------------------------------

    def submit(self, comparison: ComparisonSpec | None, runs: Sequence[RunSpec]) -> None:
        """Queue runs, in this order, all or none.

        The directories come first and comparison.json last, so a crash in between leaves nothing
        that a store made anew would take for submitted.

        Args:
            comparison: the new comparison that they belong to; None adds to those that are there.

        Raises:
            RunError: an id is taken, or a comparison or a needed run is unknown or has failed.
        """
        made: list[Path] = []
        try:
            with database.transaction(self._db):
                for run in runs:
                    self._check(run, comparison, {other.id for other in runs})
                for run in runs:
                    made.append(RunDirectory.create(self.home, run).path)
                if comparison is not None:
                    made.append(_write_comparison(self.home, comparison))
                    database.insert_comparison(self._db, comparison)
                for run in runs:
                    database.insert_run(self._db, run, Outcome("queued", 0))
                for run in runs:
                    database.insert_needs(self._db, run)
        except BaseException as error:
            for path in made:
                shutil.rmtree(path)
            if isinstance(error, FileExistsError):
                raise RunError(f"{error.filename} exists; an id is used once.") from error
            raise

    def _check(self, run: RunSpec, comparison: ComparisonSpec | None, beside: set[str]) -> None:
        if run.comparison is not None and (comparison is None or comparison.id != run.comparison):
            self.comparison(run.comparison)
        for need in run.needs:
            if need not in beside and self.run(need).state in ("failed", "cancelled"):
                raise RunError(f"Run {run.id} needs run {need}, which has {self.run(need).state}.")

    # The life of a run --------------------------------------------------------------------

    def claim(self, device: str) -> RunRow | None:
        """Take the next run whose needs are finished; no other caller gets it too."""
        rows = self._db.execute(
            "UPDATE runs SET state = 'running', device = ?, attempts = attempts + 1, "
            "error = NULL, note = NULL WHERE id = "
            f"(SELECT id FROM runs WHERE {_READY} ORDER BY {_TURN} LIMIT 1) RETURNING {_COLUMNS}",
            (device,),
        ).fetchall()
        return RunRow(*rows[0]) if rows else None

    def claimable(self) -> bool:
        """Whether a run waits for nothing but a device."""
        return bool(self._db.execute(f"SELECT 1 FROM runs WHERE {_READY} LIMIT 1").fetchall())

    def give_back(self, run_id: str) -> None:
        """Undo a claim whose device turned out to be taken."""
        self._db.execute(
            "UPDATE runs SET state = 'queued', device = NULL, attempts = attempts - 1 "
            "WHERE id = ? AND state = 'running'",
            (run_id,),
        )

    def end(
        self, run_id: str, state: State, error: str | None = None, note: str | None = None
    ) -> None:
        """Write how a run ended; what waits for one that failed or was cancelled ends too."""
        with database.transaction(self._db):
            self._db.execute(
                "UPDATE runs SET state = ?, error = ?, note = ? WHERE id = ?",
                (state, error, note, run_id),
            )
            if state in ("failed", "cancelled"):
                database.fall(self._db, run_id)

    def cancel_waiting(self, run_id: str) -> bool:
        """Cancel a run that no worker has; False if one may have it."""
        with database.transaction(self._db):
            changed = self._db.execute(
                "UPDATE runs SET state = 'cancelled', device = NULL "
                "WHERE id = ? AND state IN ('queued', 'interrupted')",
                (run_id,),
            ).rowcount
            if changed:
                database.fall(self._db, run_id)
        return bool(changed)

    def requeue(self, run_id: str) -> None:
        """Put an interrupted, failed or cancelled run back, with those that it needs.

        It goes on from its newest good checkpoint. Runs that fell with it come back too.

        Raises:
            RunError: it is waiting, at work or finished, or its result was discarded.
        """
        with database.transaction(self._db):
            row = self.run(run_id)
            if row.state not in ("interrupted", "failed", "cancelled"):
                raise RunError(f"Run {run_id} is {row.state}; there is nothing to resume.")
            again = [run_id, *self._needs_to_repeat(run_id)]
            directories = [RunDirectory.of(self.home, run) for run in again]
            for directory in directories:
                if directory.cancel_requested() == "discard":
                    raise RunError(
                        f"Run {directory.path.name} was discarded and cannot be resumed. "
                        "Start a new comparison."
                    )
            for directory in directories:
                directory.withdraw_cancel()
            self._db.executemany(
                "UPDATE runs SET state = 'queued', device = NULL, error = NULL, note = NULL, "
                "fell_with = NULL WHERE id = ?1 OR fell_with = ?1",
                [(run,) for run in again],
            )

    def _needs_to_repeat(self, run_id: str) -> list[str]:
        rows = self._db.execute(
            "WITH RECURSIVE above (id) AS (SELECT need FROM needs WHERE run = ? "
            "UNION SELECT needs.need FROM needs JOIN above ON needs.run = above.id) "
            "SELECT id FROM runs WHERE id IN (SELECT id FROM above) "
            "AND state IN ('interrupted', 'failed', 'cancelled')",
            (run_id,),
        ).fetchall()
        return [run for (run,) in rows]

    def remove(self, comparison: str) -> None:
        """Remove a comparison with its runs and all they made; a crash on the way changes no more.

        Raises:
            RunError: there is no such comparison, or one of its runs is at work.
        """
        known = self.comparisons()
        if comparison not in known:
            raise self._unknown("comparison", comparison, known)
        with Lock(database.opening_lock_path(self.home)):  # who opens the store does the same
            with database.transaction(self._db):
                rows = self.runs(comparison)
                self._check_idle(rows)
                runs = [row.id for row in rows]
                removal.decide(self.home, comparison, runs)
                removal.forget(self._db, comparison, runs)
            removal.clear(self.home, comparison, runs)

    def _check_idle(self, rows: Sequence[RunRow]) -> None:
        for row in rows:
            if row.state == "running" or RunDirectory.of(self.home, row.id).locked():
                raise RunError(
                    f"Run {row.id} of this comparison is at work. Stop it first, then delete."
                )

    # Looking ------------------------------------------------------------------------------

    def run(self, run_id: str) -> RunRow:
        """The row of one run; RunError if there is none."""
        rows = self._rows("WHERE id = ?", run_id)
        if not rows:
            raise self._unknown("run", run_id, [row.id for row in self.runs()])
        return rows[0]

    def runs(self, comparison: str | None = None, state: State | None = None) -> list[RunRow]:
        """Rows in the order of submission; of one comparison, or in one state."""
        return self._rows(
            "WHERE (?1 IS NULL OR comparison = ?1) AND (?2 IS NULL OR state = ?2)",
            comparison,
            state,
        )

    def comparison(self, comparison_id: str) -> ComparisonSpec:
        """What a comparison was asked to be; RunError if there is none."""
        known = self.comparisons()
        if comparison_id not in known:
            raise self._unknown("comparison", comparison_id, known)
        path = self.home / "comparisons" / comparison_id / "comparison.json"
        return spec.read_comparison_spec(path)

    def comparisons(self, owner: str | None = None) -> list[str]:
        """Ids, oldest first; those of one owner."""
        rows = self._db.execute(
            "SELECT id FROM comparisons WHERE ?1 IS NULL OR owner = ?1 ORDER BY id", (owner,)
        ).fetchall()
        return [comparison for (comparison,) in rows]

    def settled(self, comparison: str) -> bool:
        """Whether nothing more happens by itself: what waits, waits for an interrupted run."""
        pending = self._db.execute(
            "WITH RECURSIVE stuck (id) AS ("
            "SELECT id FROM runs WHERE state = 'interrupted' "
            "UNION SELECT needs.run FROM needs JOIN stuck ON needs.need = stuck.id) "
            "SELECT 1 FROM runs WHERE comparison = ? AND (state = 'running' "
            "OR (state = 'queued' AND id NOT IN (SELECT id FROM stuck))) LIMIT 1",
            (comparison,),
        ).fetchall()
        return not pending

    def _rows(self, where: str, *values: str | None) -> list[RunRow]:
        found = self._db.execute(f"SELECT {_COLUMNS} FROM runs {where} ORDER BY position", values)
        return [RunRow(*row) for row in found.fetchall()]

    def _unknown(self, noun: str, word: str, known: Sequence[str]) -> RunError:
        close = nearest(word, known)
        advice = f" Did you mean {close!r}?" if close else ""
        return RunError(f"There is no {noun} {word!r} in {self.home}.{advice}")


def _write_comparison(home: Path, comparison: ComparisonSpec) -> Path:
    folder = home / "comparisons" / comparison.id
    folder.mkdir(parents=True)
    try:
        spec.write_spec(folder / "comparison.json", comparison)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return folder
