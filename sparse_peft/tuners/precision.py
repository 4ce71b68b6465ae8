"""What autocast does to a Linear, for Linears whose backward is our own."""

import torch
from jaxtyping import Float
from torch import Tensor


def product_type(operand: Tensor) -> torch.dtype:
    """The type in which a Linear would multiply an operand, autocast considered."""
    kind = operand.device.type
    if torch.is_autocast_enabled(kind) and operand.dtype != torch.float64:  # doubles stay
        return torch.get_autocast_dtype(kind)
    return operand.dtype


def as_autocast(
    x: Float[Tensor, "*tokens in"],
    weight: Float[Tensor, "out in"],
    bias: Float[Tensor, " out"] | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The three operands in the type in which autocast, if it is on, would multiply them."""
    shift = None if bias is None else bias.to(product_type(bias))
    return x.to(product_type(x)), weight.to(product_type(weight)), shift
