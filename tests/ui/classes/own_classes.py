"""A desk for classes with drawn pictures on it, where no runner starts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sparse_peft.files import Lock
from sparse_peft.planning import read_classes_plan
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui.classes import boxes
from sparse_peft.ui.classes.form import Box, ClassForm
from sparse_peft.ui.classes.sorting import ACTIONS as SORTING
from sparse_peft.ui.clicks.actions import Answer, perform
from sparse_peft.ui.clicks.choosing import ACTIONS as CHOOSING
from sparse_peft.ui.clicks.doing import ACTIONS as DOING
from sparse_peft.ui.clicks.turning import ACTIONS as TURNING
from sparse_peft.ui.desk.desk import Desk, Studio
from tests.ui.own_desk import share_counts

ALICE = "o" + "a" * 16
ACTIONS = {**TURNING, **SORTING, **CHOOSING, **DOING}


@contextmanager
def class_desk(root: Path) -> Iterator[Desk]:
    """Alice's desk, turned to classes; to the page a runner seems to be there."""
    share_counts(root / "home")
    with Lock(runner_lock_path(root / "home")):
        desk = Desk(Studio(root / "home"), ALICE)
        assert act(desk, "teach", task="fewshot").errors == {}
        yield desk


def draw_files(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Pictures that look nothing alike."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        path = folder / f"{number:02}.png"
        Image.fromarray(small).resize((24, 24), Image.Resampling.NEAREST).save(path)
        paths.append(path)
    return paths


def lay_classes(
    desk: Desk, root: Path, names: Sequence[str] = ("cup", "shoe"), each: int = 6
) -> None:
    """Classes with so many pictures each; 2 of each are learned from."""
    for number, name in enumerate(names):
        boxes.add(desk, draw_files(root / name, each, number), None, name)
    boxes.change(desk, lambda form: replace(form, shots=2))


def act(desk: Desk, do: str, **asked: Any) -> Answer:
    """What the page answers to a click."""
    return perform(ACTIONS, desk, {"do": do, **asked})


def form_of(desk: Desk) -> ClassForm:
    return desk.draft.classes


def box_called(desk: Desk, name: str) -> Box:
    return next(box for box in form_of(desk).boxes if box.name == name)


def plan_of(desk: Desk, comparison: str) -> ClassesPlan:
    with Store(desk.home) as store:
        return read_classes_plan(store.comparison(comparison))
