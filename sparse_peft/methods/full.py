"""Full fine-tuning: the end of the scale, outside the budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.methods.checks import check_not_negative
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.tuners.layout import FULL_TENSORS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Full:
    """Every entry of every target weight is trained."""

    name: ClassVar[str] = "full"
    title: ClassVar[str] = "Full fine-tuning"
    label: ClassVar[str] = "Full"
    family: ClassVar[str] = "full"
    sentence: ClassVar[str] = (
        "Trains every weight of the chosen layers: no saving, and what the others are measured "
        "against."
    )
    source: ClassVar[str] = (
        "Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, "
        "arXiv:1711.05101; code: torch.optim.AdamW"
    )
    starts_at_base: ClassVar[bool] = True

    weight_decay: float = 1e-4
    """Decoupled, of AdamW, towards zero and not towards the base."""

    def __post_init__(self) -> None:
        check_not_negative("weight_decay", self.weight_decay)

    def budget_range(self, shapes: Shapes) -> None:
        """None: it is what it is, whatever the budget."""

    def fit(self, budget: int, shapes: Shapes) -> "Full":  # noqa: ARG002
        """Itself: the budget does not matter."""
        return self

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """All of them."""
        return "every weight"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """All entries of all weights, whole in the file too."""
        count = sum(math.prod(shape) for shape in shapes.values())
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The weight, whole."""
        return FULL_TENSORS

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,  # noqa: ARG002
    ) -> Attachment:
        """AdamW on the weights themselves, with a copy of what they were."""
        from sparse_peft.tuners.attachments.full import FullAttachment

        return FullAttachment(components, targets, weight_decay=self.weight_decay)
