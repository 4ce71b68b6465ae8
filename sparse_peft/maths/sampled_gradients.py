"""Chosen entries of a Linear's weight gradient, without the rest of it ever existing.

The gradient of y = x W^T at (i, j) is the sum over tokens of dy[:, i] * x[:, j]. SO wants some of
these entries; WaveFT wants them after a wavelet analysis of x and dy along their features.
"""

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from sparse_peft.maths.wavelets import Geometry, analysed

# Temporaries above this many numbers leave a CPU's cache: 4 to 7 times slower, measured at
# 1280 x 1280 and 640 x 640 with 2592 entries. A GPU rather wants few launches.
CPU_CHUNK = 2**19
GPU_CHUNK = 2**25


def sampled_gradients(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float32[Tensor, " p"]:
    """The weight gradient at (rows, columns), summed over tokens in single precision.

    Costs 2 T p operations where the dense gradient costs 2 T out in; above a few per cent of the
    entries the dense product is faster on a CPU.

    Args:
        x: input of the Linear.
        dy: gradient of its output.
    """
    total = torch.zeros(rows.shape[0], device=x.device)
    tokens = _chunk(rows.shape[0], x.device)
    for part_x, part_dy in zip(torch.split(x, tokens), torch.split(dy, tokens), strict=True):
        left = part_dy.index_select(1, rows).float()
        total += left.mul_(part_x.index_select(1, columns)).sum(0)
    return total


def sampled_wavelet_gradients(
    x: Float[Tensor, "T in"], dy: Float[Tensor, "T out"], geometry: Geometry, scaling: float
) -> Float32[Tensor, " p"]:
    """The gradient of each wavelet coefficient of an update, summed in single precision.

    Source: the adjoint of `wavelets.touched_changes`.
    """
    total = torch.zeros(geometry.row_channel.shape[0], device=x.device)
    widest = max(geometry.row_channel.shape[0], *geometry.shape)
    tokens = _chunk(widest, x.device)
    for part_x, part_dy in zip(torch.split(x, tokens), torch.split(dy, tokens), strict=True):
        # Features first: the analysis then reads whole rows, and so do the selections.
        left = analysed(part_dy.float().T.contiguous(), geometry.family)
        right = analysed(part_x.float().T.contiguous(), geometry.family)
        left = left.index_select(0, geometry.row_channel)
        total += left.mul_(right.index_select(0, geometry.column_channel)).sum(1)
    return total.mul_(scaling)


def _chunk(width: int, device: torch.device) -> int:
    """Tokens at a time, so that temporaries of `width` numbers a token stay small."""
    return max(1, (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK) // width)


def plain_sampled_gradients(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float[Tensor, " p"]:
    """The whole gradient, then the entries: the plain twin of `sampled_gradients`."""
    return (dy.T @ x)[rows, columns]
