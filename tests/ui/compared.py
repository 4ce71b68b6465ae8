"""Comparisons on the Compare tab: made-up ones of any methods and states, and the page's HTML."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sparse_peft import compare
from sparse_peft.comparison import ComparisonOutcome
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch.watching import Live
from tests.fake_outcome import EVERY, Maker
from tests.report.test_page import Page

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)></textarea>'&${value.html}"

Change = Callable[[Maker, ComparisonOutcome], ComparisonOutcome]


def made(count: int = 3, change: Change | None = None) -> Opened:
    """What is open: finished runs of so many methods on two prompts, changed as asked."""
    value = deepcopy(_finished(count)) if change is None else _assembled(count, change)
    return Opened("c1", value, lambda path: f"/files/{path}", "Bello")


@cache
def _finished(count: int) -> dict[str, Any]:
    return _assembled(count, lambda _, outcome: outcome)


def _assembled(count: int, change: Change) -> dict[str, Any]:
    with TemporaryDirectory() as root:
        maker = Maker(Path(root), prompts=2)
        methods = tuple(EVERY)[:count]
        return compare.assemble(change(maker, maker.comparison(methods=methods)))


def with_live(opened: Opened, **states: Mapping[str, Any]) -> Opened:
    """The same, its runs as a watcher sees them: `states` by name, "prepare" for the shared one."""
    lives = {"prep": live("prep", kind="prepare", **states.get("prepare", {"state": "finished"}))}
    for run in opened.comparison["runs"]:
        told = {"state": run["state"], "error": run["error"], **states.get(run["id"], {})}
        lives[run["run"]] = live(run["run"], **told)
    return replace(opened, runs=lives, prepares=("prep",))


def live(name: str, **other: Any) -> Live:
    """A run that has told nothing."""
    usual = {
        "comparison": "c1", "kind": "train", "state": "queued", "device": "", "stopping": False,
        "attempt": 1, "step": 0, "steps": 200, "saved": 0, "stage": None, "done": 0, "of": 3,
        "stage_seconds": 0.0, "seconds_left": None, "samples": (), "losses": (), "kept": False,
        "error": None, "note": None,
    }  # fmt: skip
    return Live(**{"id": name, **usual, **other})


def desk_at(root: Path) -> Desk:
    """A desk that has something open; what it is the test says."""
    return Desk(Studio(root / "home"), "o" + "1" * 16, "c1")


def parsed(html: str) -> Page:
    """The HTML of a board; every tag that it opens it closes, and nothing in it runs."""
    page = Page(html)
    assert page.open == []
    assert not any(tag == "script" for tag, _ in page.tags)
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        assert attrs.get("src") != "x"
    return page


def asked(page: Page) -> list[dict[str, Any]]:
    """What the buttons of a board ask for."""
    return [json.loads(str(attrs["data-ask"])) for _, attrs in page.tags if "data-ask" in attrs]


def of_class(page: Page, name: str) -> list[dict[str, str | None]]:
    """Attributes of all elements with a class."""
    return [attrs for _, attrs in page.tags if name in (attrs.get("class") or "").split()]
