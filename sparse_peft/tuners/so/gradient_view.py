"""What stands in `weight.grad` where only the sampled entries of the gradient exist."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from sparse_peft.tuners.entries import values_at

aten = torch.ops.aten
# What loops do to gradients, and what acts on the sampled entries as on a gradient that is zero
# elsewhere: taking norms, scaling, clipping at values, clearing.
MEANT = {
    aten.linalg_vector_norm, aten.mul_, aten.div_, aten.zero_, aten.clamp_, aten.clamp_min_,
    aten.clamp_max_, aten._foreach_norm, aten._foreach_mul_, aten._foreach_div_,
    aten._foreach_zero_, aten._foreach_clamp_min_, aten._foreach_clamp_max_,
    aten._amp_foreach_non_finite_check_and_unscale_,
}  # fmt: skip


class GradientView(torch.Tensor):
    """A tensor of a weight's shape without its storage: the sampled entries are in `leaf.grad`.

    `clip_grad_norm_(model.parameters(), ...)`, `GradScaler` and `zero_grad` find it and act on the
    entries; a dense gradient that is added is sampled. Whatever would need the rest of the gradient
    is refused.
    """

    leaf: Tensor
    support: Callable[[], Tensor]

    @staticmethod
    def __new__(cls, weight: Tensor, leaf: Tensor, support: Callable[[], Tensor]) -> "GradientView":
        """A view for one weight; of no use while `leaf` has no gradient.

        Args:
            support: tells the flat indices of the entries.
        """
        view: GradientView = torch.Tensor._make_wrapper_subclass(
            cls, weight.shape, dtype=weight.dtype, device=weight.device
        )
        view.leaf, view.support = leaf, support
        return view

    @property
    def entries(self) -> Tensor:
        """The sampled entries.

        Raises:
            RuntimeError: they were cleared, and this was not.
        """
        if self.leaf.grad is None:
            raise RuntimeError("these sampled gradients are gone; clear weight.grad as well")
        return self.leaf.grad

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be pickled: the optimizer and all its state would come along.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "SO's gradient of a weight holds its sampled entries only and cannot be pickled; "
            "save so.sampled[weight].grad"
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"GradientView({self.leaf.numel()} sampled entries of {tuple(self.shape)})"

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        function: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run what is meant for gradients on the sampled entries.

        Raises:
            NotImplementedError: anything else.
        """
        if function.overloadpacket is aten.detach:  # `.detach()` and `.data`
            return GradientView(args[0], args[0].leaf, args[0].support)
        if function.overloadpacket is aten.add_ and _is_like(args[1], args[0]):
            added = values_at(args[1], args[0].support()).to(args[0].leaf.dtype)
            args[0].entries.add_(added, **(kwargs or {}))
            return args[0]
        if function.overloadpacket not in MEANT or not _acts_on_all_alike(args):
            raise NotImplementedError(
                f"SO's gradient of a weight holds its sampled entries only, so {function} is not "
                "defined on it; read the entries as so.sampled[weight].grad"
            )
        mapped = tree_map_only(GradientView, lambda view: view.entries, (args, kwargs or {}))
        result = function(*mapped[0], **mapped[1])
        return args[0] if result is mapped[0][0] else result  # what works in place returns itself


def _is_like(other: Any, view: GradientView) -> bool:
    return isinstance(other, Tensor) and other.shape == view.shape


def _acts_on_all_alike(args: tuple[Any, ...]) -> bool:
    """Whether no argument belongs to certain entries: a mask, or dimensions to take a norm of."""
    others = [arg for arg in args[1:] if isinstance(arg, Tensor)]
    dimensions = isinstance(args[0], Tensor) and any(isinstance(arg, list) for arg in args[1:])
    return not dimensions and all(other.numel() == 1 for other in others)
