"""A product with SNELL's update whose backward pass builds the update anew.

Between the passes it keeps its operands and one threshold for each split, nothing of the weight's
size. In the backward pass the gradient of the update and, over it, the update share one matrix.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sparse_peft.maths.snell.competition import Competition
from sparse_peft.maths.snell.kernel_merge import kernel_gradients, sparse_update


def exact_type(*tensors: Tensor) -> torch.dtype:
    """The type of the widest of these, and one that holds the small entries of an update."""
    found = torch.float32
    for tensor in tensors:
        found = torch.promote_types(found, tensor.dtype)
    return found


def split_update(
    a: Float[Tensor, "splits P in k"],
    b: Float[Tensor, "splits P part k"],
    competition: Competition,
    onto: Float[Tensor, "out in"] | None = None,
    thresholds: Float[Tensor, " splits"] | None = None,
) -> tuple[Float[Tensor, "out in"], Float[Tensor, " splits"]]:
    """The updates of equal splits of a weight's outputs, one below the other, and their thresholds.

    Args:
        onto: a weight; the first result is then its sum with the updates.
        thresholds: found before from the same factors; they are found here otherwise.
    """
    weights = [None] * len(a) if onto is None else onto.chunk(len(a))
    known = [None] * len(a) if thresholds is None else thresholds.unbind()
    exact = exact_type(a, b) if onto is None else exact_type(a, b, onto)
    found = [
        sparse_update(one_a, one_b, competition, weight, threshold)
        for one_a, one_b, weight, threshold in zip(
            a.to(exact), b.to(exact), weights, known, strict=True
        )
    ]
    updates, limits = zip(*found, strict=True)
    return updates[0] if len(a) == 1 else torch.cat(updates), torch.stack(limits)


class SnellProduct(torch.autograd.Function):
    """x (W + S)^T + bias, or x S^T alone; gradients go to x, to the bias and to both factors.

    With dropout, x is multiplied by a mask first. The mask is kept, a byte an entry, the product is
    not.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "*tokens in"],
        a: Float[Tensor, "splits P in k"],
        b: Float[Tensor, "splits P part k"],
        competition: Competition,
        weight: Float[Tensor, "out in"] | None,
        bias: Float[Tensor, " out"] | None,
        mask: Bool[Tensor, "*tokens in"] | None,
        scale: float,
    ) -> Float[Tensor, "*tokens out"]:
        """The product, in the type of x."""
        update, thresholds = split_update(a, b, competition, weight)
        ctx.save_for_backward(x, a, b, weight, thresholds, mask)
        ctx.competition, ctx.scale = competition, scale
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(_masked(x, mask, scale), update.to(x.dtype), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients."""
        x, a, b, weight, thresholds, mask = ctx.saved_tensors
        for_x, for_a, for_b, _, _, for_bias, *_ = ctx.needs_input_grad
        flat_dy = dy.reshape(-1, dy.shape[-1])
        da = db = dx = None
        with torch.autocast(x.device.type, enabled=False):
            if for_a or for_b:
                matrix = flat_dy.T @ _masked(x, mask, ctx.scale).reshape(-1, x.shape[-1])
                da, db = _gradients(ctx.competition, a, b, thresholds, matrix, weight)
            elif for_x:
                matrix, _ = split_update(a, b, ctx.competition, weight, thresholds)
            if for_x:
                dx = _masked(dy @ matrix.to(dy.dtype), mask, ctx.scale)
        return dx, da, db, None, None, flat_dy.sum(0) if for_bias else None, None, None


def _masked(x: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return x if mask is None else (x * mask).mul_(scale)


def _gradients(
    competition: Competition,
    a: Tensor,
    b: Tensor,
    thresholds: Tensor,
    matrix: Tensor,
    weight: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Gradients of the factors; the gradient of the update in `matrix` becomes the update."""
    weights = [None] * len(a) if weight is None else weight.chunk(len(a))
    exact = exact_type(a, b)
    found = [
        kernel_gradients(one_a, one_b, competition, threshold, rows, onto)
        for one_a, one_b, threshold, rows, onto in zip(
            a.to(exact), b.to(exact), thresholds, matrix.chunk(len(a)), weights, strict=True
        )
    ]
    all_a, all_b = (torch.stack(one) for one in zip(*found, strict=True))
    return all_a.to(a.dtype), all_b.to(b.dtype)
