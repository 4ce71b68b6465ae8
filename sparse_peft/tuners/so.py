"""SO: Adam that samples few entries of each tensor and remembers as many."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, overload

import torch
from jaxtyping import Float, Float32, Int, Int32
from torch import Tensor
from torch.optim.optimizer import ParamsT

from sparse_peft.maths.sparse_adam import Adam, Moments, sparse_adam
from sparse_peft.maths.support_sizes import entries_kept
from sparse_peft.maths.supports import draw_support

LARGEST = 2**31 - 1  # entries of one tensor that an int32 index can name
MOMENTS = ("index", "exp_avg", "exp_avg_sq")


class SO(torch.optim.Optimizer):
    """Sparse optimisation of any module: a drop-in for `torch.optim.Adam` on dense gradients.

    Of each tensor, `density_ratio` of the entries (rounded down, one at least) is sampled for T
    steps at a time, and as many entries keep moments: 16 bytes for each, where Adam holds 8 for
    every entry of the tensor. `sampled_gradients(model, so)` also spares the dense gradients.

    All options may differ between parameter groups. At density 1 it is Adam.

    Args:
        density_ratio: share of each tensor's entries that is sampled.
        T: steps for which a support is kept.
        weight_decay: added to the sampled gradients (L2, as in Adam), not decoupled.
        seed: with the number of a tensor and of its refresh, determines its supports.
        prune: "after" moves all remembered and sampled entries, then forgets the smallest (the
            official code); "before" forgets first and moves only what is left (the paper).

    Source: Mrabah et al. 2025, arXiv:2504.12436; nairouz/SO@385f4ab
        optimizers/SparseOptimizer.py. We differ where that code errs: entries meet their own
        moments, supports do not hold a whole permutation, a tensor always keeps an entry, any
        number of dimensions is fine, and the state survives being saved.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        density_ratio: float = 0.1,
        T: int = 30,
        *,
        seed: int = 0,
        prune: Literal["after", "before"] = "after",
    ) -> None:
        self.sampled: dict[Tensor, Tensor] = {}
        """By parameter: a leaf whose .grad are the sampled entries; see `sampled_gradients`."""
        self.support_hooks: list[Callable[[Tensor, Tensor], None]] = []
        """Called with a parameter and its next support (on the CPU) when that is drawn."""
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "density_ratio": density_ratio,
            "T": T,
            "seed": seed,
            "prune": prune,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; the others are the optimizer's defaults."""
        super().add_param_group(param_group)
        _check(self.param_groups[-1])
        self._place = {
            param: (number, group)
            for number, (group, param) in enumerate(
                (group, param)
                for group, options in enumerate(self.param_groups)
                for param in options["params"]
            )
        }

    def support(self, param: Tensor) -> Int32[Tensor, " k"]:
        """Flat indices of the entries that the next step samples, ascending."""
        number, group = self._place[param]
        options, state = self.param_groups[group], self.state[param]
        if not state or state["step"] - state["drawn_at"] >= options["T"]:
            self._draw(param, number, options)
        support: Tensor = state["support"]
        return support

    def _draw(self, param: Tensor, number: int, options: dict[str, Any]) -> None:
        state = self.state[param]
        refresh = state["refreshes"] if state else 0
        count = entries_kept(param.numel(), options["density_ratio"])
        drawn = draw_support(param.numel(), count, options["seed"], number, refresh)
        for hook in self.support_hooks:
            hook(param, drawn)
        support = drawn.to(param.device, non_blocking=True)
        if not state:
            zeros = torch.zeros(count, device=param.device)
            state.update(step=0, index=support.clone(), exp_avg=zeros, exp_avg_sq=zeros.clone())
        state.update(drawn_at=state["step"], refreshes=refresh + 1, support=support)

    def refresh(self) -> None:
        """Draw every support that the next step needs; without it they are drawn when asked for."""
        for param in self._place:
            self.support(param)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every tensor that has a gradient; sampled gradients are used up by it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for options in self.param_groups:
            for params in self._alike(options["params"]):
                self._move(params, options)
        return loss

    def _alike(self, params: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        """Tensors with a gradient, in lists whose steps can be computed together."""
        alike: dict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
        for param in params:
            if param.grad is not None or self._sampled_gradient(param) is not None:
                support = self.support(param)
                alike[(support.shape[0], param.device, self.state[param]["step"])].append(param)
        yield from alike.values()

    def _move(self, params: list[Tensor], options: dict[str, Any]) -> None:
        states = [self.state[param] for param in params]
        adam = Adam(options["lr"], options["betas"], options["eps"], states[0]["step"] + 1)
        support = torch.stack([state["support"] for state in states])
        gradient = torch.stack([self._gradient(param, options) for param in params])
        moments = Moments(*(torch.stack([state[key] for state in states]) for key in MOMENTS))

        moments, index, change = sparse_adam(moments, support, gradient, adam, options["prune"])

        for key, stacked in zip(MOMENTS, (moments.index, moments.m, moments.v), strict=True):
            torch._foreach_copy_([state[key] for state in states], list(stacked.unbind()))
        for row, (param, state) in enumerate(zip(params, states, strict=True)):
            add_at(param, index[row], change[row])
            state["step"] += 1
            if param in self.sampled:
                self.sampled[param].grad = None

    def _gradient(self, param: Tensor, options: dict[str, Any]) -> Float32[Tensor, " k"]:
        support = self.state[param]["support"]
        gradient = self._sampled_gradient(param)
        if gradient is None:
            assert param.grad is not None
            if param.grad.is_sparse:
                raise RuntimeError(
                    "SO needs dense gradients: build the embedding with sparse=False"
                )
            gradient = values_at(param.grad, support).float()
        if options["weight_decay"]:
            gradient = gradient + options["weight_decay"] * values_at(param, support).float()
        return gradient

    def _sampled_gradient(self, param: Tensor) -> Tensor | None:
        leaf = self.sampled.get(param)
        return None if leaf is None else leaf.grad

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, sampled ones too."""
        super().zero_grad(set_to_none)
        for leaf in self.sampled.values():
            leaf.grad = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go back to a saved state, each tensor in the type in which it was saved."""
        super().load_state_dict(state_dict)
        # The base class has cast indices and moments to the parameters' own type.
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        for number, param in zip(numbers, self._place, strict=True):
            for key, value in state_dict["state"].get(number, {}).items():
                if isinstance(value, Tensor):
                    self.state[param][key] = value.to(param.device, copy=True)


def _check(options: dict[str, Any]) -> None:
    """Refuse options and tensors that no step could use."""
    low, high = options["betas"]
    rules = {
        "lr": options["lr"] >= 0,
        "betas": 0 <= low < 1 and 0 <= high < 1,
        "eps": options["eps"] >= 0,
        "weight_decay": options["weight_decay"] >= 0,
        "density_ratio": 0 < options["density_ratio"] <= 1,
        "T": isinstance(options["T"], int) and options["T"] >= 1,
        "prune": options["prune"] in ("after", "before"),
    }
    for name, holds in rules.items():
        if not holds:
            raise ValueError(f"SO: {name} is {options[name]!r}, which is out of range")
    for param in options["params"]:
        if not param.is_floating_point() or not 0 < param.numel() <= LARGEST:
            raise ValueError(
                f"SO: cannot tune a {param.dtype} tensor of shape {tuple(param.shape)}; "
                f"expected floating point and 1 to {LARGEST} entries"
            )


def values_at(tensor: Float[Tensor, "*shape"], index: Int[Tensor, " k"]) -> Float[Tensor, " k"]:
    """The entries at flat indices, whatever the strides."""
    if tensor.is_contiguous():
        return tensor.view(-1).index_select(0, index)
    return tensor[torch.unravel_index(index.long(), tensor.shape)]


def add_at(
    tensor: Float[Tensor, "*shape"], index: Int[Tensor, " k"], change: Float[Tensor, " k"]
) -> None:
    """Add to the entries at flat indices in place, whatever the strides."""
    if tensor.is_contiguous():
        tensor.view(-1).index_add_(0, index, change.to(tensor.dtype))
    else:
        where = torch.unravel_index(index.long(), tensor.shape)
        tensor.index_put_(where, change.to(tensor.dtype), accumulate=True)


def put_at(
    tensor: Float[Tensor, "*shape"], index: Int[Tensor, " k"], values: Float[Tensor, " k"]
) -> None:
    """Set the entries at distinct flat indices in place, whatever the strides."""
    if tensor.is_contiguous():
        tensor.view(-1).index_copy_(0, index.long(), values)
    else:
        tensor.index_put_(torch.unravel_index(index.long(), tensor.shape), values)
