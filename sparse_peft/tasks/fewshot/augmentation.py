"""What happens to a training picture each time it is seen: a random part of it, perhaps mirrored.

Its colours may change a little too.

Every draw is keyed by seed, step and picture, so that it is the same whatever a method draws.
"""

import math
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.maths.seeds import keyed_generator

ATTEMPTS = 10  # at a part that fits, then the middle is taken
RATIOS = (3 / 4, 4 / 3)  # of width to height
MIRRORED = 0.5  # probability

Box = tuple[int, int, int, int]
"""Top, left, height and width, in pixels."""


def augmented(
    picture: UInt8[Tensor, "3 H W"],
    side: int,
    kind: Literal["crop", "crop+flip"],
    smallest: float,
    key: tuple[int, int, int],
) -> UInt8[Tensor, "3 s s"]:
    """A random part of a picture, scaled to a square.

    Args:
        smallest: least share of its area that the part has.
        key: seed, step and place of the picture.

    Source: torchvision's RandomResizedCrop (bicubic, antialias) and RandomHorizontalFlip.
    """
    draws = keyed_generator("augmentation", *key)
    top, left, height, width = random_box(picture.shape[1], picture.shape[2], smallest, draws)
    part = picture[None, :, top : top + height, left : left + width]
    square = F.interpolate(part, (side, side), mode="bicubic", antialias=True)[0]
    if kind == "crop+flip" and torch.rand(1, generator=draws).item() < MIRRORED:
        square = square.flip(-1)
    return square


def jittered(
    picture: UInt8[Tensor, "3 s s"], most: float, key: tuple[int, int, int]
) -> UInt8[Tensor, "3 s s"]:
    """A picture whose brightness, contrast and saturation changed a little, in a random order.

    Args:
        most: share by which each may change, up or down.
        key: seed, step and place of the picture.

    Source: torchvision's ColorJitter with its hue left alone, as timm's `color_jitter` makes it.
    """
    from torchvision.transforms import functional  # type: ignore[import-untyped]

    changes = (
        functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation,
    )  # fmt: skip
    draws = keyed_generator("jitter", *key)
    for number in torch.randperm(len(changes), generator=draws).tolist():
        factor = _uniform(1 - most, 1 + most, draws)
        picture = changes[number](picture, factor)
    return picture


def random_box(height: int, width: int, smallest: float, draws: torch.Generator) -> Box:
    """A random part of a picture of this size: at least that share of its area, nearly square.

    Source: torchvision.transforms.RandomResizedCrop.get_params, which draws from the global
        generator; given the same numbers it gives the same box.
    """
    low, high = torch.log(torch.tensor(RATIOS)).tolist()
    for _ in range(ATTEMPTS):
        area = height * width * _uniform(smallest, 1.0, draws)
        ratio = torch.exp(torch.empty(1).uniform_(low, high, generator=draws)).item()
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            top = int(torch.randint(0, height - down + 1, (1,), generator=draws))
            left = int(torch.randint(0, width - across + 1, (1,), generator=draws))
            return top, left, down, across
    return _middle(height, width)


def _uniform(low: float, high: float, draws: torch.Generator) -> float:
    return torch.empty(1).uniform_(low, high, generator=draws).item()


def _middle(height: int, width: int) -> Box:
    """The largest central part whose shape is allowed."""
    if width / height < RATIOS[0]:
        down, across = round(width / RATIOS[0]), width
    elif width / height > RATIOS[1]:
        down, across = height, round(height * RATIOS[1])
    else:
        down, across = height, width
    return (height - down) // 2, (width - across) // 2, down, across
