"""LoRA, as PEFT does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.methods.checks import check_alpha, check_at_least, check_not_negative, check_share
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import alpha_of, full_rank, matrices, rank_one, refuse_below

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LoRA:
    """Each weight gains the product of two thin matrices."""

    name: ClassVar[str] = "lora"
    title: ClassVar[str] = "Low-Rank Adaptation"
    label: ClassVar[str] = "LoRA"
    family: ClassVar[str] = "lora"
    sentence: ClassVar[str] = (
        "Adds two thin matrices beside each layer; together they shift every weight along a few "
        "shared directions."
    )
    source: ClassVar[str] = (
        "Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, "
        "arXiv:2106.09685; rsLoRA: Kalajdzievski 2023, arXiv:2312.03732; DoRA: Liu et al., ICML "
        "2024, arXiv:2402.09353; code: huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True

    rank: int = 4
    """Columns of the two thin matrices: the inner dimension of their product."""
    alpha: float | None = None
    """The product is multiplied by alpha / rank; empty means alpha = rank, so 1."""
    dropout: float = 0.0
    """Share of the adapter's input that is dropped in training, 0 to below 1."""
    rslora: bool = False
    """Whether the product is multiplied by alpha / sqrt(rank) instead, as CLIP-LoRA does."""
    dora: bool = False
    """Whether the length of each output's weights is learned apart from their direction."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values; 1e-4 is that of diffusers' LoRA scripts."""

    def __post_init__(self) -> None:
        check_at_least("rank", self.rank, 1)
        check_alpha(self.alpha)
        check_share("dropout", self.dropout)
        check_not_negative("weight_decay", self.weight_decay)

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """Rank 1, and one rank more; DoRA has a length for each output besides."""
        one = rank_one(shapes, self.label)
        lengths = sum(out for out, _ in matrices(shapes, self.label)) if self.dora else 0
        return one + lengths, one

    def fit(self, budget: int, shapes: Shapes) -> "LoRA":
        """The largest rank within the budget; no larger than the widest weight has ranks."""
        smallest, step = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, "rank 1")
        full = full_rank(shapes, self.label)
        return replace(self, rank=min(1 + (budget - smallest) // step, full))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank."""
        return f"rank {self.rank}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """rank * (in + out) for each weight, and the lengths; the product of factors is dense."""
        smallest, step = self.budget_range(shapes)
        count = smallest + (self.rank - 1) * step
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The two thin matrices, A and B; DoRA's lengths of the outputs."""
        lengths = ("lora_magnitude_vector",) if self.dora else ()
        return "lora_A.weight", "lora_B.weight", *lengths

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's LoRA layers in place of the target Linears."""
        from peft import LoraConfig

        from sparse_peft.tuners.attachments.peft import PeftAttachment
        from sparse_peft.tuners.changes import added, rescaled

        config = LoraConfig(
            r=self.rank,
            lora_alpha=alpha_of(self.alpha, self.rank),
            lora_dropout=self.dropout,
            use_rslora=self.rslora,
            use_dora=self.dora,
        )
        return PeftAttachment(
            components,
            targets,
            config,
            plan.seed,
            weight_decay=self.weight_decay,
            change=rescaled if self.dora else added,
        )
