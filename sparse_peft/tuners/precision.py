"""What autocast does to a Linear, for Linears whose backward is our own."""

import torch
from jaxtyping import Float
from torch import Tensor


def as_autocast(
    x: Float[Tensor, "*tokens in"],
    weight: Float[Tensor, "out in"],
    bias: Float[Tensor, " out"] | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The three operands in the type in which autocast, if it is on, would multiply them."""
    if not torch.is_autocast_enabled(x.device.type):
        return x, weight, bias
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
