"""The comparison that a desk has open, with what its runs do at this moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparse_peft.outcome import BESIDE
from sparse_peft.report.classes import words as classes_words
from sparse_peft.report.subject import sections
from sparse_peft.ui.comparisons import live, naming, shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import Live, Standing, strip_of, watcher

SUBJECT = "dreambooth"
AT_WORK = ("queued", "running")


@dataclass(frozen=True)
class Opened:
    """What the Compare tab shows."""

    id: str
    comparison: Mapping[str, Any]
    """as comparison.json holds it; while it trains, what is there by now"""
    source: Callable[[str], str]
    """the address of a picture by its path in the comparison"""
    name: str
    """what it is called"""
    runs: Mapping[str, Live] = field(default_factory=dict)
    """all runs by their id in the store, those that draw a prompt too; none of an example"""
    prepares: tuple[str, ...] = ()
    """of those, the ones that make what all share"""
    standing: tuple[Standing, ...] = ()
    """of those comparisons of it that are not finished: what works and what waits"""

    @property
    def read_only(self) -> bool:
        """Whether it is one that comes with the studio."""
        return self.id in shipped.FOLDERS

    @property
    def subject(self) -> bool:
        """Whether it is about one subject; else it is about classes."""
        return bool(self.comparison["task"] == SUBJECT)

    @property
    def subtitle(self) -> str:
        """What is compared, in a sentence."""
        if self.subject:
            return sections.subtitle(self.comparison)
        return classes_words.subtitle(self.comparison)

    @property
    def alone(self) -> bool:
        """Whether it is one comparison of this person, not several side by side."""
        return not self.read_only and BESIDE not in self.id

    @property
    def at_work(self) -> bool:
        """Whether results of methods are still to come by themselves."""
        return any(run["state"] in AT_WORK for run in self.comparison["runs"])


def opened(desk: Desk) -> Opened | None:
    """What is open on a desk; None if nothing is.

    Raises:
        UserError: it is not there, or belongs to someone else.
    """
    if not desk.open:
        return None
    comparison = live.comparison_of(desk, desk.open)
    title = sections.title if comparison["task"] == SUBJECT else classes_words.title
    name = title(comparison)
    found = Opened(desk.open, comparison, live.source_of(desk, desk.open), name)
    return found if found.read_only else _with_runs(desk, found)


def _with_runs(desk: Desk, found: Opened) -> Opened:
    look = watcher(desk.home)
    ids = found.id.split(BESIDE)
    usual = found.name
    if not found.subject:
        backbone = found.comparison["backbone"]
        usual = f"{naming.default(look.plan(found.id))}, {backbone['title'] or backbone['id']}"
    return replace(
        found,
        name=(naming.read(desk.home, found.id) if found.alone else None) or usual,
        runs={name: run for one in ids for name, run in look.runs(one).items()},
        prepares=tuple(look.plan(one).prepare for one in ids),
        standing=tuple(one for one in strip_of(desk) if one.comparison in ids),
    )
