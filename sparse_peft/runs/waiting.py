"""How many runs of others come before some that wait, told where it changes."""

import time
from collections.abc import Collection, Sequence

from sparse_peft.runs.store import SHORT, RunRow, Store

PATIENCE_SECONDS = 1.0  # a run that a free device takes at once does not wait


class Waiting:
    """Looks at the queue for whoever waits for some runs in it."""

    def __init__(self, store: Store, mine: Collection[str]) -> None:
        self._store, self._mine = store, mine
        self._told = self._seen = 0
        self._since = time.monotonic()

    def news(self) -> int | None:
        """How many runs come first, if that was not told yet; None where there is no news."""
        count, now = self._ahead(), time.monotonic()
        if count != self._seen:
            self._seen, self._since = count, now
        if count == self._told or (count and now - self._since < PATIENCE_SECONDS):
            return None
        self._told = count
        return count or None

    def _ahead(self) -> int:
        rows = self._store.runs()
        others = {row.comparison for row in rows if row.state == "queued"} - {None}
        stuck = {name for name in others if name and self._store.settled(name)}
        return ahead([row for row in rows if row.comparison not in stuck], self._mine)


def ahead(rows: Sequence[RunRow], mine: Collection[str]) -> int:
    """Runs that come before the first of mine; 0 where one of mine is at work or none waits.

    Args:
        rows: all of a home, in the order of their submission.
    """
    own = [row for row in rows if row.id in mine and row.state in ("queued", "running")]
    if not own or any(row.state == "running" for row in own):
        return 0
    first = rows.index(min(own, key=lambda row: row.kind not in SHORT))
    short = rows[first].kind in SHORT
    return sum(
        row.state == "running" or (row.state == "queued" and _before(row, place < first, short))
        for place, row in enumerate(rows)
        if row.id not in mine
    )


def _before(row: RunRow, earlier: bool, short: bool) -> bool:
    """Whether a run that waits is handed out before one of mine."""
    if (row.kind in SHORT) != short:
        return not short
    return earlier
