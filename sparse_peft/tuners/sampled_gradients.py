"""The fast path of SO: of a weight's gradient, only the sampled entries are ever computed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft.maths.sampled_gradients import sampled_gradients as sampled_entries
from sparse_peft.tuners.precision import as_autocast
from sparse_peft.tuners.so import SO, values_at

# Above this share of a weight, one dense product is quicker than gathering its entries: on a CPU at
# 3.5 % of 128 x 128 weights the gathering took twice as long (benchmarks/steps.py).
DENSEST = 0.01


class SampledGradients:
    """What `sampled_gradients` has changed in a model, and the way back."""

    def __init__(self, so: SO) -> None:
        self._so = so
        self._undo: list[Callable[[], None]] = []

    def remove(self) -> None:
        """Let the model compute dense gradients again."""
        while self._undo:
            self._undo.pop()()
        self._so.sampled.clear()


def sampled_gradients(model: nn.Module, so: SO, *, densest: float = DENSEST) -> SampledGradients:
    """Make the model compute only those entries of weight gradients that `so` samples.

    A plain `nn.Linear` computes them from its input and the gradient of its output, so its weight
    gradient never exists. Any other use of a weight (a convolution, a tied embedding), and a weight
    of which more than `densest` is sampled, still makes the dense gradient, which is sampled and
    freed at once, one tensor at a time.

    Gradients add up until `so.step()` or `so.zero_grad()`. They are not in `weight.grad`: clip
    them with `clip_grad_norm_(so.sampled.values(), ...)`.
    """
    handle = SampledGradients(so)
    for param in (param for group in so.param_groups for param in group["params"]):
        leaf = torch.zeros(so.support(param).shape[0], device=param.device, requires_grad=True)
        so.sampled[param] = leaf
        handle._undo.append(param.register_post_accumulate_grad_hook(_folds_into(so)).remove)
    for module in model.modules():
        # A subclass, or a forward that somebody has replaced, may do anything with its weight.
        if type(module) is not nn.Linear or "forward" in vars(module):
            continue
        weight = module.weight
        if weight in so.sampled and so.sampled[weight].numel() <= densest * weight.numel():
            module.forward = _sampling_forward(module, so)  # type: ignore[method-assign, assignment]
            handle._undo.append(partial(delattr, module, "forward"))
    return handle


def _folds_into(so: SO) -> Callable[[Tensor], None]:
    def fold(param: Tensor) -> None:
        assert param.grad is not None
        leaf = so.sampled[param]
        values = values_at(param.grad, so.support(param)).float()
        leaf.grad = values if leaf.grad is None else leaf.grad + values
        param.grad = None

    return fold


def _sampling_forward(linear: nn.Linear, so: SO) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return F.linear(x, linear.weight, linear.bias)
        support = so.support(linear.weight).long()
        rows, columns = support // linear.in_features, support % linear.in_features
        x, weight, bias = as_autocast(x, linear.weight.detach(), linear.bias)
        result: Tensor = SampledLinear.apply(  # type: ignore[no-untyped-call]
            x, weight, bias, so.sampled[linear.weight], rows, columns
        )
        return result

    return forward


class SampledLinear(torch.autograd.Function):
    """y = x W^T + b, where W's gradient is wanted at a few entries only."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "*tokens in"],
        weight: Float[Tensor, "out in"],
        bias: Float[Tensor, " out"] | None,
        leaf: Float[Tensor, " k"],  # noqa: ARG004
        rows: Int64[Tensor, " k"],
        columns: Int64[Tensor, " k"],
    ) -> Float[Tensor, "*tokens out"]:
        """The product; `leaf` only receives the gradient of the entries at rows and columns."""
        ctx.save_for_backward(x, weight, rows, columns)
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, of the bias and of the sampled entries."""
        [dy] = gradients
        x, weight, rows, columns = ctx.saved_tensors
        for_x, _, for_bias, for_leaf, _, _ = ctx.needs_input_grad
        flat_x, flat_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        return (
            dy @ weight if for_x else None,
            None,
            flat_dy.sum(0) if for_bias else None,
            sampled_entries(flat_x, flat_dy, rows, columns) if for_leaf else None,
            None,
            None,
        )
