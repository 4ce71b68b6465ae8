"""A Linear with a sparse update, forward and backward, in two forms.

Written: the update is in the weight already, so the products are the plain ones. Beside: the
update works on the activations, for weights that cannot or must not be written to. In both the
input is all that is kept for the backward pass, and the coefficients get sampled gradients.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.maths.sampled_gradients import sampled_wavelet_gradients
from sparse_peft.maths.wavelets.geometry import Channels
from sparse_peft.maths.wavelets.sparse_product import sparse_product, turned_sparse_product


def _flat(activations: Tensor) -> Tensor:
    return activations.reshape(-1, activations.shape[-1])


def _gradient(
    x: Tensor, dy: Tensor, coefficients: Tensor, where: Channels, scaling: float
) -> Tensor:
    sampled = sampled_wavelet_gradients(_flat(x), _flat(dy), where, scaling)
    return sampled.to(coefficients.dtype)


class WrittenLinear(torch.autograd.Function):
    """y = x W^T + b with the update already in W; its gradient goes to the coefficients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "*tokens in"],
        weight: Float[Tensor, "out in"],
        bias: Float[Tensor, " out"] | None,
        coefficients: Float[Tensor, " p"],
        where: Channels,
        scaling: float,
    ) -> Float[Tensor, "*tokens out"]:
        """The product."""
        ctx.save_for_backward(x, weight, coefficients)
        ctx.where, ctx.scaling = where, scaling
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, of the bias and of the coefficients."""
        [dy] = gradients
        x, weight, coefficients = ctx.saved_tensors
        for_x, _, for_bias, for_coefficients, _, _ = ctx.needs_input_grad
        # Before the gradient of x is there: the temporaries then add nothing to the peak.
        sampled = None
        if for_coefficients:
            sampled = _gradient(x, dy, coefficients, ctx.where, ctx.scaling)
        return (
            dy @ weight if for_x else None,
            None,
            _flat(dy).sum(0) if for_bias else None,
            sampled,
            None,
            None,
        )


class SparseProduct(torch.autograd.Function):
    """x times the update's transpose, where the update stays apart from the weight."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "*tokens in"],
        coefficients: Float[Tensor, " p"],
        where: Channels,
        scaling: float,
    ) -> Float[Tensor, "*tokens out"]:
        """The product."""
        ctx.save_for_backward(x, coefficients)
        ctx.where, ctx.scaling = where, scaling
        product = sparse_product(_flat(x), where, coefficients * scaling)
        return product.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and of the coefficients."""
        [dy] = gradients
        x, coefficients = ctx.saved_tensors
        for_x, for_coefficients, _, _ = ctx.needs_input_grad
        dx = sampled = None
        if for_coefficients:
            sampled = _gradient(x, dy, coefficients, ctx.where, ctx.scaling)
        if for_x:
            dx = turned_sparse_product(_flat(dy), ctx.where, coefficients * ctx.scaling)
            dx = dx.view(*dy.shape[:-1], -1).to(x.dtype)
        return dx, sampled, None, None
