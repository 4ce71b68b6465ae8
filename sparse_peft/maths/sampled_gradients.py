"""Chosen entries of a Linear's weight gradient, without the rest of it ever existing.

The gradient of y = x W^T at (i, j) is the sum over tokens of dy[:, i] * x[:, j]. SO wants some of
these entries; WaveFT wants them after a wavelet analysis of x and dy along their features.

Three ways, alike but for rounding: kernels of numba on a CPU and of Triton on CUDA where these are
installed and the operands suit them, else torch alone.
"""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse_peft.maths.chunks import tokens_at_once
from sparse_peft.maths.kernels import compiled, triton_sampled
from sparse_peft.maths.wavelets.analysis import analysed
from sparse_peft.maths.wavelets.axes import axis
from sparse_peft.maths.wavelets.geometry import Channels

# With more sampled entries than this share of the features, turning both operands over once costs
# less than gathering a column for each entry: measured at 128 x 128 to 3072 x 768.
TURN_FROM = 0.9


def sampled_gradients(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float[Tensor, " p"]:
    """The weight gradient at (rows, columns), summed over tokens in single precision.

    Costs 2 T p operations where the dense gradient costs 2 T out in; above some ten per cent of
    the entries the dense product is faster on a CPU. Operands in double precision are summed in it.

    Args:
        x: input of the Linear.
        dy: gradient of its output.
    """
    if compiled.takes(x, dy):
        return compiled.sampled(x, dy, rows, columns)
    if triton_sampled.takes(x, dy):
        return triton_sampled.sampled(x, dy, rows, columns)
    return _by_torch(x, dy, rows, columns)


def sampled_wavelet_gradients(
    x: Float[Tensor, "T in"], dy: Float[Tensor, "T out"], where: Channels, scaling: float
) -> Float[Tensor, " p"]:
    """The gradient of each coefficient of an update, summed as in `sampled_gradients`.

    Source: the adjoint of `wavelets.updates.touched_changes`.
    """
    if where.family is None:
        sums = sampled_gradients(x, dy, where.row_channel, where.column_channel)
    elif compiled.takes(x, dy):
        return compiled.sampled_wavelet(x, dy, where, scaling)
    elif where.family == "db1" and triton_sampled.takes(x, dy):
        sums = triton_sampled.sampled_haar(x, dy, where.row_channel, where.column_channel)
    else:
        sums = _wavelet_by_torch(x, dy, where, where.family)
    return sums.mul_(scaling)


def _sum_type(x: Tensor, dy: Tensor) -> torch.dtype:
    return torch.promote_types(torch.promote_types(x.dtype, dy.dtype), torch.float32)


def _by_torch(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float[Tensor, " p"]:
    dtype, count = _sum_type(x, dy), rows.shape[0]
    total = torch.zeros(count, dtype=dtype, device=x.device)
    turn = count > TURN_FROM * (x.shape[1] + dy.shape[1])
    width = max(x.shape[1], dy.shape[1]) if turn else count
    tokens = min(tokens_at_once(width, x.device), max(1, x.shape[0]))
    # Written to again and again: fresh memory for each chunk costs more than what is done in it.
    left, right = (x.new_empty(0, dtype=dtype) for _ in range(2))
    for part_x, part_dy in zip(torch.split(x, tokens), torch.split(dy, tokens), strict=True):
        part_x, part_dy = part_x.to(dtype), part_dy.to(dtype)
        if turn:
            left = _turned(part_dy, left)
            right = _turned(part_x, right)
            total += _inner(left, right, rows, columns)
        else:
            torch.index_select(part_dy, 1, rows, out=left.resize_(0))
            torch.index_select(part_x, 1, columns, out=right.resize_(0))
            total += left.mul_(right).sum(0)
    return total


def _turned(part: Float[Tensor, "t n"], memory: Tensor) -> Float[Tensor, "n t"]:
    return memory.resize_(part.shape[1], part.shape[0]).copy_(part.T)


def _wavelet_by_torch(
    x: Float[Tensor, "T in"], dy: Float[Tensor, "T out"], where: Channels, family: str
) -> Float[Tensor, " p"]:
    dtype = _sum_type(x, dy)
    left, right = (
        x.new_empty(axis(length, family).channels, 0, dtype=dtype) for length in where.shape
    )
    total = torch.zeros(where.row_channel.shape[0], dtype=dtype, device=x.device)
    tokens = tokens_at_once(left.shape[0] + right.shape[0], x.device)
    for part_x, part_dy in zip(torch.split(x, tokens), torch.split(dy, tokens), strict=True):
        left.resize_(left.shape[0], part_x.shape[0])
        right.resize_(right.shape[0], part_x.shape[0])
        analysed(part_dy.to(dtype), family, out=left)
        analysed(part_x.to(dtype), family, out=right)
        total += _inner(left, right, where.row_channel, where.column_channel)
    return total


def _inner(
    left: Float[Tensor, "rows t"],
    right: Float[Tensor, "columns t"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float[Tensor, " p"]:
    """Inner products of chosen rows of two matrices.

    The gradient of `embedding_bag` by its per-sample weights is just this, in one kernel on CPU and
    CUDA: gathering, multiplying and summing apart takes 2 to 4 times as long on a CPU.
    """
    no_offsets = rows.new_empty(0)
    products: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        left, right, columns, no_offsets, rows, SUM
    )
    return products


SUM = 0  # embedding_bag's mode


def plain_sampled_gradients(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int[Tensor, " p"],
    columns: Int[Tensor, " p"],
) -> Float[Tensor, " p"]:
    """The whole gradient, then the entries: the plain twin of `sampled_gradients`."""
    return (dy.T @ x)[rows, columns]
