"""The loss of a training: which pictures, in which order, how far until it is learned."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.tasks.fewshot.augmentation import augmented
from sparse_peft.tasks.fewshot.features import Features
from sparse_peft.tasks.fewshot.learning import FewShot
from sparse_peft.tasks.fewshot.pictures import Pictures, as_bytes, framing, read
from sparse_peft.tasks.fewshot.recipe import ClassTraining
from sparse_peft.tasks.loop import Progress
from tests.labelled_sets import small_set
from tests.tasks.fewshot.small import shared_by

SHOTS, LABELS = (4, 1, 8, 6, 13, 15), (0, 0, 1, 1, 2, 2)
SETTINGS = {"interpolation": "bicubic", "resize_mode": "shortest"}
Make = Callable[..., FewShot]


class Plain(Features):
    """Features that are the mean colour: what a picture shows can be read from them."""

    def __init__(self, pictures: Pictures, frozen: bool = False) -> None:
        self._pictures, self.picture_tower_is_frozen = pictures, frozen
        self.seen_batches: list[Tensor] = []

    def texts(self, *, new: bool = False) -> Tensor:  # noqa: ARG002
        return torch.eye(3)

    def seen(self, pixels: Tensor) -> Tensor:
        self.seen_batches.append(pixels)
        return F.normalize(pixels.float().mean((2, 3)), dim=1)

    def at(self, places: Sequence[int]) -> Tensor:
        return F.normalize(self._pictures.squares(places).float().mean((2, 3)), dim=1)


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    labelled, folder = small_set(tmp_path)
    return Pictures(labelled, folder, framing(16, SETTINGS))


@pytest.fixture
def make(pictures: Pictures) -> Make:
    def made(frozen: bool = False, augmentation: str = "none", **changes: Any) -> FewShot:
        settings = {"lr": 1.0, "seed": 3, "steps": 20, "batch_size": 4} | changes
        shared = shared_by(Path("x"), augmentation=augmentation)
        features = Plain(pictures, frozen)
        training = ClassTraining(**settings)  # type: ignore[arg-type]
        return FewShot(features, pictures, shared, training, SHOTS, LABELS, 16, 20.0)

    return made


def test_each_pass_sees_every_shot_once_in_a_fresh_order(make: Make) -> None:
    task = make()
    assert task.steps_a_pass == 2
    passes = [task.rows(2 * turn) + task.rows(2 * turn + 1) for turn in range(4)]
    assert all(sorted(rows) == list(range(6)) for rows in passes)
    assert [len(task.rows(step)) for step in range(4)] == [4, 2, 4, 2]
    assert len({tuple(rows) for rows in passes}) > 1
    assert passes[0] == make().rows(0) + make().rows(1)
    assert make(seed=3).rows(0) != make(seed=4).rows(0)


def test_the_loss_is_cross_entropy_of_scaled_cosines(make: Make, pictures: Pictures) -> None:
    task = make()
    rows = task.rows(5)
    squares = pictures.squares([SHOTS[row] for row in rows]).float().mean((2, 3))
    logits = 20 * F.normalize(squares, dim=1)
    expected = -logits.log_softmax(1)[range(2), [LABELS[row] for row in rows]].mean()
    torch.testing.assert_close(task.loss(5, 0), expected)
    torch.testing.assert_close(make(frozen=True).loss(5, 0), expected)


def whole(pictures: Pictures, place: int) -> Tensor:
    return as_bytes(read(pictures._home / pictures.labelled.pictures[place].file))


@pytest.mark.parametrize("kind", ["crop", "crop+flip"])
def test_a_step_sees_the_parts_drawn_for_it_whatever_came_before(
    make: Make, pictures: Pictures, kind: Any
) -> None:
    task = make(augmentation=kind)
    for step in (6, 7, 2, 3):
        task.loss(step, 0)
    given: Any = task._features
    for step, seen in zip((6, 7, 2, 3), given.seen_batches, strict=True):
        places = [SHOTS[row] for row in task.rows(step)]
        parts = [
            augmented(whole(pictures, place), 16, kind, 0.5, (3, step, place)) for place in places
        ]
        assert torch.equal(seen, torch.stack(parts))


def test_a_decoded_picture_is_kept(make: Make, pictures: Pictures) -> None:
    task = make(augmentation="crop")
    for step in range(2):
        task.loss(step, 0)
    for path in pictures._home.glob("*.png"):
        path.unlink()
    assert torch.isfinite(task.loss(2, 0))


def test_it_is_learned_when_the_mean_loss_of_a_pass_is_low_enough(make: Make) -> None:
    task = make(stop_below=0.1)
    low = Progress(step=2, all_losses=[0.14, 0.01])  # (4 * 0.14 + 2 * 0.01) / 6 = 0.097
    high = Progress(step=2, all_losses=[0.16, 0.01])
    assert task.is_learned(low)
    assert not task.is_learned(high)
    assert not task.is_learned(Progress(step=1, all_losses=[0.01]))
    assert not task.is_learned(Progress())
    later = Progress(step=4, all_losses=[9.0, 9.0, 0.14, 0.01])
    assert task.is_learned(later)
    assert not make().is_learned(low)


def test_a_pass_of_one_batch_is_a_step(make: Make) -> None:
    task = make(batch_size=32)
    assert task.steps_a_pass == 1
    assert sorted(task.rows(9)) == list(range(6))
