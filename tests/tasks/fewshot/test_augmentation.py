"""A random part of a picture, as torchvision cuts it, drawn by key alone."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resized_crop

from sparse_peft.maths.seeds import keyed_generator
from sparse_peft.tasks.fewshot.augmentation import RATIOS, augmented, jittered, random_box

SIZES = [(60, 60), (40, 100), (100, 40), (12, 300), (300, 12), (512, 683)]


def picture(height: int = 50, width: int = 70) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smallest", [0.08, 0.5, 1.0])
def test_a_box_is_torchvisions_for_the_same_draws(size: tuple[int, int], smallest: float) -> None:
    for seed in range(20):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            theirs = RandomResizedCrop.get_params(
                torch.empty(3, *size), [smallest, 1.0], list(RATIOS)
            )
        assert random_box(*size, smallest, torch.Generator().manual_seed(seed)) == theirs


def test_a_part_is_scaled_as_torchvision_scales_it() -> None:
    whole = picture()
    box = random_box(50, 70, 0.3, keyed_generator("augmentation", 1, 2, 3))
    theirs = resized_crop(whole, *box, [32, 32], InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(augmented(whole, 32, "crop", 0.3, (1, 2, 3)), theirs)


def test_half_of_them_are_mirrored() -> None:
    whole = picture()
    mirrored = 0
    for step in range(400):
        plain = augmented(whole, 16, "crop", 0.3, (0, step, 0))
        other = augmented(whole, 16, "crop+flip", 0.3, (0, step, 0))
        assert torch.equal(other, plain) or torch.equal(other, plain.flip(-1))
        mirrored += not torch.equal(other, plain)
    assert 160 < mirrored < 240


def test_seed_step_and_picture_decide_and_nothing_else_does() -> None:
    whole = picture()
    first = augmented(whole, 16, "crop+flip", 0.08, (1, 2, 3))
    before = torch.get_rng_state()
    torch.rand(5)
    assert torch.equal(augmented(whole, 16, "crop+flip", 0.08, (1, 2, 3)), first)
    torch.set_rng_state(before)
    for key in ((9, 2, 3), (1, 9, 3), (1, 2, 9)):
        assert not torch.equal(augmented(whole, 16, "crop+flip", 0.08, key), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_colours_change_by_key_within_what_is_allowed() -> None:
    whole = picture(32, 32)
    first, again, other = (jittered(whole, 0.4, (1, step, 5)) for step in (2, 2, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.shape, first.dtype) == (whole.shape, torch.uint8)
    assert torch.equal(jittered(whole, 0.0, (1, 2, 3)), whole)
    grey = torch.full((3, 8, 8), 100, dtype=torch.uint8)  # only its brightness can change
    levels = {int(jittered(grey, 0.4, (1, step, 1))[0, 0, 0]) for step in range(200)}
    assert 57 <= min(levels) < 65  # each of the three changes cuts off what is no whole byte
    assert 135 < max(levels) <= 140
