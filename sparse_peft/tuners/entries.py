"""Entries of a tensor at flat indices, whatever its strides."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def values_at(tensor: Float[Tensor, "*shape"], index: Int[Tensor, " k"]) -> Float[Tensor, " k"]:
    """The entries at flat indices."""
    if tensor.is_contiguous():
        return tensor.view(-1).index_select(0, index)
    return tensor[torch.unravel_index(index.long(), tensor.shape)]


def add_at(
    tensor: Float[Tensor, "*shape"], index: Int[Tensor, " k"], change: Float[Tensor, " k"]
) -> None:
    """Add to the entries at flat indices in place."""
    if tensor.is_contiguous():
        tensor.view(-1).index_add_(0, index, change.to(tensor.dtype))
    else:
        where = torch.unravel_index(index.long(), tensor.shape)
        tensor.index_put_(where, change.to(tensor.dtype), accumulate=True)


def put_at(
    tensor: Float[Tensor, "*shape"], index: Int[Tensor, " k"], values: Float[Tensor, " k"]
) -> None:
    """Set the entries at distinct flat indices in place."""
    if tensor.is_contiguous():
        tensor.view(-1).index_copy_(0, index.long(), values)
    else:
        tensor.index_put_(torch.unravel_index(index.long(), tensor.shape), values)
