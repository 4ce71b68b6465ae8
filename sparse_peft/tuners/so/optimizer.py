"""SO: Adam that samples few entries of each tensor and remembers as many."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from jaxtyping import Float, Int32
from torch import Tensor
from torch.optim.optimizer import ParamsT

from sparse_peft.maths.so.sparse_adam import Adam, Moments, sparse_adam
from sparse_peft.maths.so.support_sizes import entries_kept
from sparse_peft.maths.so.supports import draw_support
from sparse_peft.tuners.entries import add_at, values_at
from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.options import check_options, check_tensor
from sparse_peft.tuners.so.saved_state import MOMENTS, ORIGINALS, check_state
from sparse_peft.tuners.touched import Touched

if TYPE_CHECKING:
    from sparse_peft.tuners.so.sampled_gradients import SampledGradients


class SO(torch.optim.Optimizer):
    """Sparse optimisation of any module: a drop-in for `torch.optim.Adam` on dense gradients.

    Of each tensor, `density_ratio` of the entries (rounded down, one at least) is sampled for T
    steps at a time, and as many entries keep moments: 16 bytes for each, where Adam holds 8 for
    every entry of the tensor. `sampled_gradients(model, so)` also spares the dense gradients.
    Moments are single precision, double for tensors that are.

    All options but `remember` may differ between parameter groups. At density 1 it is Adam.

    Args:
        density_ratio: share of each tensor's entries that is sampled.
        T: steps for which a support is kept.
        weight_decay: added to the sampled gradients (L2, as in Adam), not decoupled.
        seed: with the number of a tensor and of its refresh, determines its supports; 0 or more.
        prune: "after" moves all remembered and sampled entries, then forgets the smallest (the
            official code); "before" forgets first and moves only what is left (the paper).
        remember: keep what every entry was before it was first sampled, 8 bytes each, which is
            what `save_delta` and `restore` need.

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
        remember: bool = False,
    ) -> None:
        self.sampled: dict[Tensor, Tensor] = {}
        """By parameter: a leaf whose .grad are the sampled entries; see `sampled_gradients`."""
        self.originals: dict[Tensor, Touched] = {}
        """By parameter: what its entries were before SO touched them, if that is remembered."""
        self.sampling: SampledGradients | None = None
        self._remember = remember
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
        added = self.param_groups[-1]
        try:
            check_options(added)
            for param in added["params"]:
                check_tensor(param)
        except Exception:
            del self.param_groups[-1]
            raise
        self._number()
        if self._remember:
            self.originals.update({param: Touched(param) for param in added["params"]})
        if self.sampling is not None:
            self.sampling.take(added["params"])

    def _number(self) -> None:
        places = [
            (param, group)
            for group, options in enumerate(self.param_groups)
            for param in options["params"]
        ]
        self._place = {param: (number, group) for number, (param, group) in enumerate(places)}

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle takes along: all but that gradients are sampled."""
        kept = {"originals": self.originals, "_remember": self._remember}
        return super().__getstate__() | kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy; `load_state_dict` comes here too, with moments and groups alone."""
        super().__setstate__(state)
        self.__dict__.setdefault("sampled", {})
        self.__dict__.setdefault("sampling", None)
        self._number()

    def count(self, param: Float[Tensor, "*shape"]) -> int:
        """How many entries of a tensor are sampled at a time.

        Raises:
            ValueError: the tensor is none of the optimizer's parameters.
        """
        return entries_kept(param.numel(), self._options(param)["density_ratio"])

    def support(self, param: Float[Tensor, "*shape"]) -> Int32[Tensor, " k"]:
        """Flat indices of the entries that the next step samples, ascending.

        Raises:
            ValueError: the tensor is none of the optimizer's parameters.
        """
        options, state = self._options(param), self.state[param]
        if not state or state["step"] - state["drawn_at"] >= options["T"]:
            self._draw(param)
        support: Tensor = state["support"]
        return support

    def _options(self, param: Tensor) -> dict[str, Any]:
        if param not in self._place:
            raise ValueError(
                f"SO: this tensor of shape {tuple(param.shape)} is none of its parameters"
            )
        return self.param_groups[self._place[param][1]]

    def _draw(self, param: Tensor) -> None:
        state, count = self.state[param], self.count(param)
        if state and count != state["support"].numel():
            raise ValueError("SO: density_ratio cannot change once a training has begun")
        refresh, number = state["refreshes"] if state else 0, self._place[param][0]
        drawn = draw_support(param.numel(), count, self._options(param)["seed"], number, refresh)
        if param in self.originals:
            self.originals[param].add(drawn)
        support = drawn.to(param.device, non_blocking=True)
        if not state:
            zeros = torch.zeros(count, device=param.device, dtype=precision(param))
            state.update(step=0, index=support.clone(), exp_avg=zeros, exp_avg_sq=zeros.clone())
        state.update(drawn_at=state["step"], refreshes=refresh + 1, support=support)

    def refresh(self) -> None:
        """Draw every support that the next step needs; without it they are drawn when asked for."""
        for param in self._place:
            if param.requires_grad:
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
            if param.grad is not None:
                support, step = self.support(param), self.state[param]["step"]
                alike[(support.shape[0], param.device, precision(param), step)].append(param)
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
        for param, where, by in zip(params, index.unbind(), change.unbind(), strict=True):
            add_at(param, where, by)
        for param, state in zip(params, states, strict=True):
            state["step"] += 1
            if param in self.sampled:
                self._forget_gradient(param)

    def _gradient(self, param: Tensor, options: dict[str, Any]) -> Float[Tensor, " k"]:
        support, dense = self.state[param]["support"], param.grad
        assert dense is not None
        if isinstance(dense, GradientView):
            gradient = dense.entries
        elif dense.is_sparse:
            raise RuntimeError("SO needs dense gradients: build the embedding with sparse=False")
        else:
            gradient = values_at(dense, support).to(precision(param))
        if options["weight_decay"]:
            gradient = gradient + options["weight_decay"] * values_at(param, support).to(gradient)
        return gradient

    def _forget_gradient(self, param: Tensor) -> None:
        self.sampled[param].grad = param.grad = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, sampled ones too."""
        super().zero_grad(set_to_none)
        if set_to_none:
            for leaf in self.sampled.values():
                leaf.grad = None

    def restore(self) -> None:
        """Give every entry that was ever sampled its original value, bit for bit.

        Raises:
            ValueError: originals were not remembered.
        """
        if not self._remember:
            raise ValueError("SO: make it with remember=True to be able to restore the weights")
        for param, touched in self.originals.items():
            touched.restore()
            if state := self.state.get(param):  # these go on moving
                touched.add(state["index"].clone())
                touched.add(state["support"])

    def state_dict(self) -> dict[str, Any]:
        """All that going on needs, and the originals if they are remembered."""
        saved: dict[str, Any] = super().state_dict()
        for number, param in enumerate(self._place):
            if number in saved["state"] and param in self.originals:
                kept = dict(zip(ORIGINALS, self.originals[param].resolved(), strict=True))
                saved["state"][number] = saved["state"][number] | kept
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go back to a saved state, each tensor in the type in which it was saved.

        Raises:
            ValueError: it is not SO's, or of other tensors; or originals are to be remembered, and
                it was saved without them. Nothing has changed.
        """
        check_state(state_dict, self.param_groups)
        remembered = [ORIGINALS[0] in saved for saved in state_dict["state"].values()]
        if self._remember and not all(remembered):
            raise ValueError("SO: remember=True, but this state was saved without the originals")
        self._remember = self._remember or any(remembered)
        super().load_state_dict(state_dict)
        # The base class has cast indices and moments to the parameters' own type.
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        for number, param in zip(numbers, self._place, strict=True):
            saved = state_dict["state"].get(number, {})
            for key, value in saved.items():
                if isinstance(value, Tensor):
                    self.state[param][key] = value.to(param.device, copy=True)
            if self._remember:
                pair = [self.state[param].pop(key) for key in ORIGINALS if key in saved]
                self.originals[param] = Touched(param, *pair)
        if self.sampling is not None:
            self.sampling.take(self._place)


def precision(param: Tensor) -> torch.dtype:
    """The type of a tensor's moments and sampled gradients: single, double if it is double."""
    return torch.promote_types(param.dtype, torch.float32)
