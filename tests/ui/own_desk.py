"""A desk with pictures on it and a quick preset called "quick", where no runner starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sparse_peft import presets
from sparse_peft.data.pictures import open_pictures
from sparse_peft.files import Lock
from sparse_peft.planning import ComparisonPlan, read_plan
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui.clicks.actions import Answer, perform
from sparse_peft.ui.clicks.doing import ACTIONS
from sparse_peft.ui.desk.desk import Desk, Studio
from tests.planned import write_preset
from tests.tasks.local_job import draw_subject

ALICE, BOB = "o" + "a" * 16, "o" + "b" * 16
UNIT = 18_816  # LoRA rank 1 on the attention of the built-in backbone


def quick_presets(folder: Path, monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str]) -> None:
    """Take all presets from this folder, which has one: "quick"."""
    folder.mkdir()
    write_preset(folder / "tiny.toml", ('name = "tiny"', 'name = "quick"'), *changes)
    monkeypatch.setattr(presets, "FOLDER", folder)


@contextmanager
def own_desk(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Alice's desk; to the page a runner seems to be there, so nothing begins."""
    quick_presets(root / "presets", monkeypatch)
    share_counts(root / "home")
    with Lock(runner_lock_path(root / "home")):
        desk = Desk(Studio(root / "home"), ALICE)
        lay_pictures(desk, root / "pictures")
        yield desk


def share_counts(home: Path) -> None:
    """What methods make of the budget is counted once for all tests, not for each home."""
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "dial").symlink_to(_counted().name, target_is_directory=True)


@cache
def _counted() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


def lay_pictures(desk: Desk, drawn: Path) -> None:
    """Three pictures of a cat."""
    desk.pictures.mkdir(parents=True)
    opened = open_pictures(draw_subject(drawn), desk.pictures)
    desk.change(pictures=opened.pictures, offered=3, noun="cat", prompts=("a {subject} at sea",))


def act(desk: Desk, do: str, **asked: Any) -> Answer:
    """What the page answers to a click."""
    return perform(ACTIONS, desk, {"do": do, **asked})


def started(desk: Desk, **changes: Any) -> str:
    """The comparison that Start opens."""
    if changes:
        desk.change(**changes)
    answer = act(desk, "start")
    assert answer.errors == {}
    assert answer.open
    return answer.open


def plan_of(desk: Desk, comparison: str) -> ComparisonPlan:
    with Store(desk.home) as store:
        return read_plan(store.comparison(comparison))


def states(desk: Desk, comparison: str) -> list[str]:
    """Of the prepare run, then of the trainings."""
    with Store(desk.home) as store:
        return [row.state for row in store.runs(comparison)]


def end_all(desk: Desk, comparison: str, state: str = "finished") -> None:
    with Store(desk.home) as store:
        for row in store.runs(comparison):
            store.end(row.id, state)  # type: ignore[arg-type]
