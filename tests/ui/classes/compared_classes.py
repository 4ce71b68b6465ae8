"""Few-shot comparisons on the Compare tab: made-up ones of any methods and states."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sparse_peft import compare
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.panels.opened import Opened
from tests.fake_classes import EVERY, Maker
from tests.ui.compared import live

Change = Callable[[Maker, ClassesOutcome], ClassesOutcome]


def made(count: int = 3, change: Change | None = None, **maker: Any) -> Opened:
    """What is open: finished runs of so many methods, changed as asked."""
    with TemporaryDirectory() as root:
        found = Maker(Path(root), **maker)
        outcome = found.comparison(methods=tuple(EVERY)[:count])
        value = compare.assemble(outcome if change is None else change(found, outcome))
    return Opened("f1", value, lambda path: f"/files/{path}", "6 classes, 4 shots")


def with_live(opened: Opened, **states: Mapping[str, Any]) -> Opened:
    """The same, its runs as a watcher sees them: `states` by name, "prepare" for the shared one."""
    lives = {"prep": live("prep", kind="prepare", **states.get("prepare", {"state": "finished"}))}
    for row in opened.comparison["runs"]:
        for run in row["runs"]:
            if run["run"]:
                told = {"state": run["state"], "error": run["error"]}
                lives[run["run"]] = live(run["run"], **told | states.get(run["id"], {}))
    return replace(opened, runs=lives, prepares=("prep",))


def desk_at(root: Path) -> Desk:
    """A desk that has something open; what it is the test says."""
    return Desk(Studio(root / "home"), "o" + "1" * 16, "f1")
