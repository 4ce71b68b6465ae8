"""The product of activations with an update that is known by its few coefficients alone."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.maths.chunks import tokens_at_once
from sparse_peft.maths.wavelets.analysis import analysed, synthesised
from sparse_peft.maths.wavelets.axes import axis
from sparse_peft.maths.wavelets.geometry import Channels


def sparse_product(
    x: Float[Tensor, "T in"], where: Channels, values: Float[Tensor, " p"]
) -> Float[Tensor, "T out"]:
    """x times the update's transpose: analysis, one sum for each output channel, synthesis.

    The weight's update never exists; neither does a matrix of the weight's size.

    Args:
        values: the coefficients times the scaling.
    """
    return _product(x, where.row_channel, where.column_channel, where.shape[0], where, values)


def turned_sparse_product(
    dy: Float[Tensor, "T out"], where: Channels, values: Float[Tensor, " p"]
) -> Float[Tensor, "T in"]:
    """dy times the update: the gradient of x in `sparse_product`."""
    return _product(dy, where.column_channel, where.row_channel, where.shape[1], where, values)


def _product(
    x: Float[Tensor, "T in"],
    to: Int64[Tensor, " p"],
    of: Int64[Tensor, " p"],
    length: int,
    where: Channels,
    values: Float[Tensor, " p"],
) -> Float[Tensor, "T out"]:
    dtype = torch.promote_types(x.dtype, torch.float32)
    count = length if where.family is None else axis(length, where.family).channels
    to, order = to.sort(stable=True)
    of, weights = of[order], values.to(dtype)[order]
    starts = torch.searchsorted(to, torch.arange(count, device=x.device))
    result = x.new_empty(x.shape[0], length)
    tokens = tokens_at_once(max(x.shape[1], length), x.device)
    for part, into in zip(torch.split(x, tokens), torch.split(result, tokens), strict=True):
        part = part.to(dtype)
        channels = part.T.contiguous() if where.family is None else analysed(part, where.family)
        # Sums of weighted rows, without any temporary: a sparse matrix times a dense one.
        sums = F.embedding_bag(of, channels, starts, mode="sum", per_sample_weights=weights)
        into.copy_(sums.T if where.family is None else synthesised(sums, length, where.family))
    return result
