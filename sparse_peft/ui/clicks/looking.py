"""Looking again: boards drawn anew because something has moved, and where a visit begins."""

from dataclasses import dataclass, replace
from typing import Literal

from sparse_peft.ui.clicks.actions import Action, Answer
from sparse_peft.ui.desk.desk import Desk, Tab
from sparse_peft.ui.watch.watching import strip_of, watcher

Panel = Literal[
    "header", "strip", "switch", "pictures", "classes", "methods", "heading", "matrix", "numbers",
    "history",
]  # fmt: skip
TABS: tuple[Tab, ...] = ("pictures", "methods", "compare")
PAGE_ROWS = 50  # of history, and so many more with each "Older"
MOST_ROWS = 10_000


@dataclass(frozen=True)
class Look:
    """Which boards are to be drawn anew."""

    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class History:
    """What history is to show."""

    rows: int = PAGE_ROWS
    """how many comparisons, newest first"""
    rename: str | None = None
    """the comparison that is being given a name"""
    delete: str | None = None
    """the comparison whose deletion waits for a second click; "everything" is all of them"""


def look(desk: Desk, asked: Look) -> Answer:
    """Draw boards anew."""
    del desk
    return Answer(show=tuple(dict.fromkeys(asked.panels)))


def history(desk: Desk, asked: History) -> Answer:
    """Draw history as far back as asked, with one row opened for its name or its deletion."""
    del desk
    view = {"rows": str(min(max(asked.rows, PAGE_ROWS), MOST_ROWS))}
    if asked.rename is not None:
        view["rename"] = asked.rename
    if asked.delete is not None:
        view["delete"] = asked.delete
    return Answer(show=("history",), view=view)


ACTIONS = {
    "look": Action(Look, look, "look", ("strip",)),
    "history": Action(History, history, "history", ("history",)),
}


def first_tab(desk: Desk, asked: object) -> Tab | None:
    """The tab that a visit begins with; None leaves the first one.

    Args:
        asked: what the address says.
    """
    if asked in TABS:
        return asked
    if desk.open is not None or strip_of(desk):
        return "compare"
    return None


def first_open(desk: Desk) -> Desk:
    """The desk with a comparison on it: the one asked for, else one at work, else the newest."""
    if desk.open is not None:
        return desk
    mine = watcher(desk.home).owned(desk.owner)
    found = (mine.unfinished or mine.comparisons)[-1:]
    return replace(desk, open=found[0]) if found else desk
