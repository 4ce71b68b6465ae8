"""LoHa, as PEFT does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.methods.checks import check_alpha, check_at_least, check_not_negative
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import alpha_of, full_rank, rank_one, refuse_below

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LoHa:
    """Each weight gains the entrywise product of two low-rank matrices."""

    name: ClassVar[str] = "loha"
    title: ClassVar[str] = "Low-Rank Hadamard Product"
    label: ClassVar[str] = "LoHa"
    family: ClassVar[str] = "lora"
    sentence: ClassVar[str] = (
        "Adds two pairs of thin matrices beside each layer and multiplies their products entry by "
        "entry."
    )
    source: ClassVar[str] = (
        "Hyeon-Woo et al., FedPara: Low-Rank Hadamard Product for Communication-Efficient "
        "Federated Learning, ICLR 2022, arXiv:2108.06098; code: huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True

    rank: int = 4
    """Rank of each of the two matrices; their product can have its square."""
    alpha: float | None = None
    """The product is multiplied by alpha / rank; empty means alpha = rank, so 1."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("rank", self.rank, 1)
        check_alpha(self.alpha)
        check_not_negative("weight_decay", self.weight_decay)

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """Rank 1, and one rank more: two pairs of thin factors for each weight."""
        one = 2 * rank_one(shapes, self.label)
        return one, one

    def fit(self, budget: int, shapes: Shapes) -> "LoHa":
        """The largest rank within the budget; no larger than the widest weight has ranks."""
        smallest, step = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, "rank 1")
        full = full_rank(shapes, self.label)
        return replace(self, rank=min(budget // step, full))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank."""
        return f"rank {self.rank}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """All four factors of each weight; the product is dense."""
        count = self.rank * self.budget_range(shapes)[0]
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Two thin matrices for each of the two that are multiplied."""
        return "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's LoHa layers in place of the target Linears."""
        from peft import LoHaConfig

        from sparse_peft.tuners.attachments.peft import PeftAttachment

        config = LoHaConfig(r=self.rank, alpha=alpha_of(self.alpha, self.rank))
        return PeftAttachment(
            components, targets, config, plan.seed, weight_decay=self.weight_decay
        )
