"""The fast path of SO: of a weight's gradient, only the sampled entries are ever computed."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MethodType
from typing import Any, NoReturn

import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sparse_peft.maths.sampled_gradients import sampled_gradients as sampled_entries
from sparse_peft.tuners.entries import values_at
from sparse_peft.tuners.precision import as_autocast
from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.optimizer import SO, precision
from sparse_peft.tuners.so.pairs import check_kinds, check_shared
from sparse_peft.tuners.so.ranks import Averaging, check_unwrapped, leave_to_us


# Why 1 %: on a CPU at 3.5 % of 128 x 128 weights, gathering the entries took twice as long as one
# dense product (benchmarks/steps.py).
def sampled_gradients(model: nn.Module, so: SO, *, densest: float = 0.01) -> "SampledGradients":
    """Make the model compute only those entries of weight gradients that `so` samples.

    That spares the dense gradient where `so` samples at most `densest` of a weight, 1 % unless told
    otherwise: above that share one dense product is quicker than gathering the entries.

    A plain `nn.Linear` computes them from its input and the gradient of its output, so its weight
    gradient never exists. Any other use of a weight (a convolution, a tied embedding), a weight
    with a hook, one that is named in `backward(inputs=...)`, and one of which more than `densest`
    is sampled, still makes the dense gradient, which is sampled and freed at once, one tensor at a
    time.

    A copy of the model (`copy.deepcopy`, a pickle, `torch.save(model)`, an average of its weights)
    computes dense gradients, and can be given to `sampled_gradients` with an SO of its own.

    Gradients add up until `so.step()` or a `zero_grad()`. `weight.grad` shows them to whatever
    clips, scales or clears gradients; so.sampled[weight].grad are the entries themselves. The norm
    that is clipped is that of the sampled entries alone: about sqrt(density) of the dense one.

    Where torch.distributed is initialised, all processes average their entries at the end of each
    backward pass. Wrap the model in DistributedDataParallel after this, if other parameters need
    it, or not at all.

    Raises:
        TypeError: these are no model and its SO, in this order.
        ValueError: the model is wrapped in a way in which processes or threads would miss entries,
            has none of the optimizer's parameters, or its gradients are sampled already, for this
            optimizer or another.
    """
    check_kinds("sampled_gradients", model, so)
    return SampledGradients(model, so, densest)


class SampledGradients:
    """What `sampled_gradients` has changed in a model, and the way back."""

    def __init__(self, model: nn.Module, so: SO, densest: float) -> None:
        if so.sampling is not None:
            raise ValueError("SO: its gradients are sampled already; remove() that first")
        if any(_sampled_for(module) is not None for module in model.modules()):
            raise ValueError(
                "SO: this model's gradients are sampled for another optimizer; give all parameters "
                "to one SO, in groups with options of their own, or remove() that first"
            )
        check_unwrapped(model)
        check_shared(model, so)
        self._so, self._densest = so, densest
        self._linears: set[nn.Module] = set()
        self._views: dict[Tensor, GradientView] = {}
        self._averaging = Averaging(so, self._views)
        self._undo = [leave_to_us(model, so)]
        so.sampling = self
        self.take(param for group in so.param_groups for param in group["params"])
        forward = self._forward()
        for module in model.modules():
            # A class with a forward of its own, or one that somebody has replaced, may do anything
            # with its weight.
            if isinstance(module, nn.Linear) and multiplies_plainly(module):
                # A bound method goes with a copy of the module; the copy's weight is not SO's. A
                # pickle holds its name, which then finds the method of the class.
                module.forward = MethodType(forward, module)  # type: ignore[method-assign]
                self._linears.add(module)
                self._undo.append(partial(delattr, module, "forward"))

    def __reduce__(self) -> NoReturn:
        """Refuse a copy: it belongs to these very modules.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "SO: what sampled_gradients returns cannot be copied or pickled; copy the model and "
            "the optimizer, and call sampled_gradients for them"
        )

    def __contains__(self, module: nn.Module) -> bool:
        """Whether the forward pass of this very module, not of one it was copied from, samples."""
        return module in self._linears

    def take(self, params: Iterable[Tensor]) -> None:
        """Sample the gradients of these parameters of the optimizer, from nothing."""
        for param in params:
            if param in self._so.sampled:
                param.grad = None
            else:
                trained = param.requires_grad
                param.requires_grad_(True)  # a frozen tensor takes no hook, and may be trained yet
                hook = param.register_post_accumulate_grad_hook(self._fold)  # type: ignore[no-untyped-call]
                param.requires_grad_(trained)
                self._undo.append(hook.remove)
            self._so.sampled[param] = self._leaf(param)

    def _leaf(self, param: Tensor) -> Tensor:
        """What autograd gives the sampled entries to; its own values are nothing, and take none."""
        nothing = torch.zeros((), dtype=precision(param), device=param.device)
        leaf = nothing.expand(self._so.count(param)).requires_grad_()
        view = GradientView(param, leaf, partial(self._so.support, param))

        def begin(_: Tensor) -> None:
            if param.grad is None:  # cleared since, through the model, say
                leaf.grad = None

        def show(_: Tensor) -> None:
            param.grad = view
            self._averaging.due()

        leaf.register_hook(begin)  # type: ignore[no-untyped-call]
        leaf.register_post_accumulate_grad_hook(show)  # type: ignore[no-untyped-call]
        self._views[param] = view
        return leaf

    def _fitting_leaf(self, param: Tensor) -> Tensor:
        """The leaf of a parameter, made anew where the model has moved or changed its type."""
        view = self._views[param]  # of the parameter's type; the leaf's may be wider
        if view.device != param.device or view.dtype != param.dtype:
            self.take([param])
        return self._so.sampled[param]

    def _fold(self, param: Tensor) -> None:
        """Keep the sampled entries of a dense gradient."""
        if not isinstance(param.grad, GradientView):  # which has sampled it already
            assert param.grad is not None
            values = values_at(param.grad, self._so.support(param))
            leaf = self._fitting_leaf(param)
            leaf.grad, param.grad = values.to(leaf.dtype), self._views[param]
        self._averaging.due()

    def _forward(self) -> Callable[[nn.Linear, Tensor], Tensor]:
        so, densest = self._so, self._densest

        def forward(linear: nn.Linear, x: Tensor) -> Tensor:
            weight = linear.weight
            wanted = weight in so.sampled and weight.requires_grad and torch.is_grad_enabled()
            dense = weight._backward_hooks or self._others_hooks(weight)  # these want all entries
            if not wanted or dense or so.count(weight) > densest * weight.numel():
                return F.linear(x, weight, linear.bias)
            self._averaging.check(weight, x)
            leaf, now = self._fitting_leaf(weight), partial(so.support, weight)
            x, operand, bias = as_autocast(x, weight.detach(), linear.bias)
            # Views, since autograd.grad does not tell whether it wants a leaf.
            handles = weight.view_as(weight), leaf.view_as(leaf)
            result: Tensor = SampledLinear.apply(  # type: ignore[no-untyped-call]
                *handles, x, operand, bias, now(), now
            )
            return result

        # What is sampled changes from step to step; a compiled graph would keep the first.
        uncompiled: Callable[[nn.Linear, Tensor], Tensor] = torch.compiler.disable(forward)  # type: ignore[no-untyped-call]
        uncompiled.sampling = self  # type: ignore[attr-defined]
        return uncompiled

    def _others_hooks(self, weight: Tensor) -> bool:
        """Whether anybody else waits for the gradient of a weight."""
        hooks: dict[int, Any] = getattr(weight, "_post_accumulate_grad_hooks", None) or {}
        return any(hook != self._fold for hook in hooks.values())

    def remove(self) -> None:
        """Let the model compute dense gradients again; those that are there are lost."""
        while self._undo:
            self._undo.pop()()
        for param in self._so.sampled:
            param.grad = None
        self._so.sampled.clear()
        self._views.clear()
        self._linears.clear()
        self._so.sampling = None


def _sampling_of(attributes: Mapping[str, Any]) -> SampledGradients | None:
    """Whose forward pass a module has, by its attributes."""
    function = getattr(attributes.get("forward"), "__func__", None)
    return getattr(function, "sampling", None)


def multiplies_plainly(linear: nn.Linear) -> bool:
    """Whether its forward pass is that of `nn.Linear`, or one of ours that it has as a copy."""
    if type(linear).forward is not nn.Linear.forward:
        return False
    return linear.forward == MethodType(nn.Linear.forward, linear) or (
        _sampling_of(vars(linear)) is not None
    )


def _sampled_for(module: nn.Module) -> SampledGradients | None:
    """What samples the gradient of a module; the forward pass of a copy is its original's."""
    sampling = _sampling_of(vars(module))
    return sampling if sampling is not None and module in sampling else None


class SampledLinear(torch.autograd.Function):
    """y = x W^T + b, where W's gradient is wanted at a few entries only."""

    @staticmethod
    def forward(
        ctx: Any,
        whole: Float[Tensor, "out in"],  # noqa: ARG004
        leaf: Float[Tensor, " k"],  # noqa: ARG004
        x: Float[Tensor, "*tokens in"],
        weight: Float[Tensor, "out in"],
        bias: Float[Tensor, " out"] | None,
        support: Int32[Tensor, " k"],
        now: Callable[[], Tensor],
    ) -> Float[Tensor, "*tokens out"]:
        """The product.

        Args:
            whole: only receives the dense gradient, where that is asked for and the leaf's is not.
            leaf: only receives the gradient of the sampled entries.
            weight: detached, in the type of the product.
            support: flat indices of the sampled entries.
            now: tells what is sampled when the gradient comes, which must be the same.
        """
        ctx.save_for_backward(x, weight)
        ctx.support, ctx.now = support, now
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the sampled entries, of x and of the bias.

        Raises:
            RuntimeError: the optimizer has drawn a new support since the forward pass.
        """
        [dy] = gradients
        x, weight = ctx.saved_tensors
        _, _, for_x, _, for_bias, _, _ = ctx.needs_input_grad
        for_whole, for_leaf = (_asked_for(node) for node, _ in ctx.next_functions[:2])
        entries, flat_x, flat_dy = None, x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        if for_leaf:
            if ctx.now() is not ctx.support:
                raise RuntimeError("SO stepped and drew new entries between forward and backward")
            # Computed here, not kept: it takes microseconds, and would double the state.
            flat = ctx.support.long()
            rows = flat // x.shape[-1]
            columns = flat - rows * x.shape[-1]
            entries = sampled_entries(flat_x, flat_dy, rows, columns)
        return (
            flat_dy.T @ flat_x if for_whole and not for_leaf else None,
            entries,
            dy @ weight if for_x else None,
            None,
            flat_dy.sum(0) if for_bias else None,
            None,
            None,
        )


def _asked_for(node: Any) -> bool:
    """Whether the backward pass that is under way goes on to a node."""
    return bool(torch._C._will_engine_execute_node(node))
