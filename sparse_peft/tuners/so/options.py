"""What options and tensors SO can work with."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from torch import Tensor

LARGEST = 2**31 - 1  # entries of one tensor that an int32 index can name
OPTIONS = ("lr", "betas", "eps", "weight_decay", "density_ratio", "T", "seed", "prune")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options of a parameter group that no step could use.

    Raises:
        ValueError: names the option, and says what is expected.
    """
    lr, betas, eps, weight_decay, density, refresh_steps, seed, prune = (
        options[name] for name in OPTIONS
    )
    pair = isinstance(betas, tuple | list) and len(betas) == 2
    rules = {
        "lr": (_is_number(lr) and 0 <= lr < math.inf, "0 or more"),
        "betas": (
            pair and all(_is_number(beta) and 0 <= beta < 1 for beta in betas),
            "two numbers of at least 0 and below 1",
        ),
        "eps": (_is_number(eps) and 0 <= eps < math.inf, "0 or more"),
        "weight_decay": (_is_number(weight_decay) and 0 <= weight_decay < math.inf, "0 or more"),
        "density_ratio": (_is_number(density) and 0 < density <= 1, "above 0 and at most 1"),
        "T": (isinstance(refresh_steps, int) and refresh_steps >= 1, "a whole number from 1 on"),
        "seed": (isinstance(seed, int) and seed >= 0, "a whole number from 0 on"),
        "prune": (prune in ("after", "before"), "'after' or 'before'"),
    }
    for name, (holds, expected) in rules.items():
        if not holds:
            raise ValueError(f"SO: {name} is {options[name]!r}; expected {expected}")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) or (isinstance(value, Tensor) and value.ndim == 0)


def check_tensor(param: Tensor) -> None:
    """Refuse a tensor whose entries cannot be sampled or moved.

    Raises:
        ValueError: says what it is.
    """
    if not param.is_floating_point() or not 0 < param.numel() <= LARGEST:
        raise ValueError(
            f"SO: cannot tune a {param.dtype} tensor of shape {tuple(param.shape)}; "
            f"expected floating point and 1 to {LARGEST} entries"
        )
