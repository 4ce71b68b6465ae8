"""AdaLoRA, as PEFT does it, with the pruning that its training script has to ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.errors import SpecError
from sparse_peft.methods.checks import check_alpha, check_at_least, check_not_negative, check_share
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import MOST_PRUNED, alpha_of, full_rank, rank_one, refuse_below

if TYPE_CHECKING:
    import torch

SMALLEST = 2  # triplets a weight, so that one can be pruned


@dataclass(frozen=True)
class AdaLoRA:
    """Each weight gains a product of thin matrices whose rank shrinks where it is least needed."""

    name: ClassVar[str] = "adalora"
    title: ClassVar[str] = "Adaptive Low-Rank Adaptation"
    label: ClassVar[str] = "AdaLoRA"
    family: ClassVar[str] = "lora"
    sentence: ClassVar[str] = (
        "Starts as LoRA with more rank than it may keep, and takes rank from the layers that need "
        "it least."
    )
    source: ClassVar[str] = (
        "Zhang et al., AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning, "
        "ICLR 2023, arXiv:2303.10512; code: huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True

    init_rank: int = 6
    """Rank of each weight at the start; all of it is trained, so the budget counts it."""
    target_rank: int = 4
    """Mean rank of the weights at the end: some keep more, some less or none."""
    alpha: float | None = None
    """The product is multiplied by alpha / init_rank; empty means alpha = init_rank, so 1."""
    warmup: float = 0.1
    """Share of the steps before pruning begins, 0 to below 1."""
    settling: float = 0.3
    """Share of the steps after pruning has ended, 0 to below 1."""
    every: int = 1
    """Steps from one pruning to the next."""
    beta1: float = 0.85
    """How slowly the importance of a value is averaged over steps."""
    beta2: float = 0.85
    """How slowly the uncertainty of that importance is averaged."""
    orthogonality: float = 0.5
    """Weight of the penalty that keeps the vectors of a weight apart, added to the loss."""
    dropout: float = 0.0
    """Share of the adapter's input that is dropped in training, 0 to below 1."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("target_rank", self.target_rank, 1)
        if self.init_rank <= self.target_rank:
            raise SpecError(
                f"init_rank is {self.init_rank}; expected more than target_rank, which is "
                f"{self.target_rank}."
            )
        if self.init_rank > MOST_PRUNED * self.target_rank:
            raise SpecError(
                f"init_rank is {self.init_rank} and target_rank {self.target_rank}; expected at "
                f"most {MOST_PRUNED} times as much."
            )
        check_at_least("every", self.every, 1)
        for name in ("beta1", "beta2"):
            if not 0 < getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}; expected between 0 and 1.")
        for name in ("warmup", "settling"):
            check_share(name, getattr(self, name))
        if self.warmup + self.settling >= 1:
            raise SpecError(
                f"warmup is {self.warmup} and settling is {self.settling}; expected less than 1 "
                "together, so that there are steps to prune in."
            )
        check_alpha(self.alpha)
        check_share("dropout", self.dropout)
        check_not_negative("orthogonality", self.orthogonality)
        check_not_negative("weight_decay", self.weight_decay)

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """Rank 2 at the start, of which 1 stays, and one rank more."""
        one = rank_one(shapes, self.label) + len(shapes)
        return SMALLEST * one, one

    def fit(self, budget: int, shapes: Shapes) -> "AdaLoRA":
        """The largest rank to start from within the budget; the share of it that stays is kept."""
        smallest, step = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, "rank 2 at the start")
        full = max(SMALLEST, full_rank(shapes, self.label))
        init_rank = min(budget // step, full)
        stays = round(init_rank * self.target_rank / self.init_rank)
        target_rank = max(-(-init_rank // MOST_PRUNED), min(init_rank - 1, stays))
        return replace(self, init_rank=init_rank, target_rank=target_rank)

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank at the start and at the end."""
        return f"rank {self.init_rank} to {self.target_rank}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """All triplets are trained; of the file, only the mean rank is known beforehand."""
        one = self.budget_range(shapes)[1]
        return Footprint(
            active=self.init_rank * one,
            stored=self.target_rank * one,
            support=None,
            estimated=True,
        )

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The triplets: left vectors, right vectors and weights."""
        return "lora_A", "lora_B", "lora_E"

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's AdaLoRA layers in place of the target Linears, pruned over the plan's steps."""
        from peft import AdaLoraConfig

        from sparse_peft.tuners.attachments.adalora import AdaLoraAttachment

        config = AdaLoraConfig(
            init_r=self.init_rank,
            target_r=self.target_rank,
            lora_alpha=alpha_of(self.alpha, self.init_rank),
            lora_dropout=self.dropout,
            tinit=int(self.warmup * plan.steps),
            tfinal=int(self.settling * plan.steps),
            deltaT=self.every,
            beta1=self.beta1,
            beta2=self.beta2,
            orth_reg_weight=self.orthogonality,
            total_step=max(1, plan.steps),
        )
        return AdaLoraAttachment(
            components, targets, config, plan.seed, weight_decay=self.weight_decay
        )
