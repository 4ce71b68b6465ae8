"""Which entries a sparse optimizer samples, drawn so that every process draws the same."""

import torch
from jaxtyping import Int32
from torch import Tensor

from sparse_peft.maths.seeds import keyed_generator

# Above this share of the entries, drawing until enough are distinct costs more than shuffling all.
SHUFFLE_FROM = 0.25


def draw_support(
    size: int, count: int, seed: int, tensor: int, refresh: int
) -> Int32[Tensor, " k"]:
    """`count` distinct entries of `size`, every such set equally likely, ascending, on the CPU.

    The same numbers give the same support in every process: that is what a resumed training and
    a second rank need.

    Args:
        tensor: number of the tensor in its optimizer.
        refresh: number of supports drawn for it before.
    """
    if count == size:
        return torch.arange(size, dtype=torch.int32)
    generator = keyed_generator("support", seed, tensor, refresh)
    if count >= SHUFFLE_FROM * size:
        chosen = torch.randperm(size, generator=generator)[:count]
    else:
        distinct = torch.empty(0, dtype=torch.int64)
        while distinct.numel() < count:
            more = torch.randint(size, (count + count // 4 + 8,), generator=generator)
            distinct = torch.unique(torch.cat([distinct, more]))
        chosen = distinct[torch.randperm(distinct.numel(), generator=generator)[:count]]
    return chosen.sort().values.int()
