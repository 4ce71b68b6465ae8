"""The words every method speaks: a plan, a footprint, and what attaching gives back.

Nothing here imports torch, so a page or a command line can list, size and count methods at once.
Torch types are named in full in quotes: that is how they are found when types are checked.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from sparse_peft.tuners.footprint import Footprint, Plan

__all__ = ["Attachment", "Footprint", "Method", "MethodClass", "Plan", "Shapes"]

if TYPE_CHECKING:
    import torch

Shapes = Mapping[str, tuple[int, ...]]
"""Tunable weights by name, "component/module path", in the order in which they are attached."""


@runtime_checkable
class Attachment(Protocol):
    """A method at work inside the components of a backbone, as the training loop sees it."""

    def optimizer(self, lr: float) -> "torch.optim.Optimizer":
        """The optimizer of all trainable values: made at the first call, then the same one."""

    def before_forward(self, step: int) -> None:
        """Called before the first forward pass of optimizer step `step`, counted from 0."""

    def penalty(self) -> "torch.Tensor | None":
        """A scalar to add to the loss, or None."""

    def leaves(self) -> "Sequence[torch.Tensor]":
        """The tensors whose `.grad` the optimizer reads, which need not be its parameters."""

    def clip(self, max_norm: float) -> None:
        """Scale all gradients down together if their common norm exceeds `max_norm`."""

    def after_step(self, step: int) -> None:
        """Called after optimizer step `step`, before gradients are cleared."""

    def measured(self) -> Footprint:
        """The footprint counted now, on what is attached."""

    def state(self) -> "dict[str, torch.Tensor]":
        """All that going on needs (values, moments, supports, counters), as CPU tensors.

        What is held is a copy: training on does not change it.
        """

    def load(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Go back to where `state` was taken; the optimizer must have been made before."""

    def save(self, folder: Path) -> None:
        """Write the adapter a person keeps: one subfolder a component."""

    def change(self, target: str) -> "torch.Tensor":
        """What the weight of `target` has become less what it was: dense, fp32, on the CPU."""

    def remove(self, keep: bool) -> None:
        """Leave plain modules behind.

        Args:
            keep: False gives the weights that were there before, bit for bit; True leaves the
                trained change in them.
        """


@runtime_checkable
class Method(Protocol):
    """Frozen settings that can size, count and attach themselves, each with a text under it."""

    name: ClassVar[str]
    title: ClassVar[str]
    label: ClassVar[str]
    family: ClassVar[str]
    sentence: ClassVar[str]
    source: ClassVar[str]
    starts_at_base: ClassVar[bool]

    def budget_range(self, shapes: Shapes) -> tuple[int, int] | None:
        """The smallest budget and the step between sizes; None if the budget does not matter."""

    def fit(self, budget: int, shapes: Shapes) -> "Method":
        """The largest of this method that trains at most `budget` values.

        Raises:
            SpecError: the budget is below the smallest size, which the message names.
        """

    def knob(self, shapes: Shapes) -> str:
        """The method's own size in words, such as "rank 4"."""

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:
        """The sizes that training with these settings will have, counted before it is built."""

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Names of what the file holds for a weight of this shape, without the weight's path."""

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """Put the method to work on the weights named by `targets`, as in `Shapes`."""


# A protocol with class variables cannot be asked at run time whether a class fulfils it.
if TYPE_CHECKING:
    MethodClass = type[Method]
else:
    MethodClass = type
