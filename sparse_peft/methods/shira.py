"""SHiRA, as PEFT does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.errors import SpecError
from sparse_peft.methods.checks import check_at_least, check_not_negative
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import matrices, rank_one, refuse_below

if TYPE_CHECKING:
    import torch

NUMBERS_EACH = 3  # a value, its row and its column


@dataclass(frozen=True)
class SHiRA:
    """Each weight gains values at a few random places."""

    name: ClassVar[str] = "shira"
    title: ClassVar[str] = "Sparse High Rank Adapter"
    label: ClassVar[str] = "SHiRA"
    family: ClassVar[str] = "shira"
    sentence: ClassVar[str] = (
        "Learns a change for a few weights of each layer, at places drawn once, and leaves the "
        "others alone."
    )
    source: ClassVar[str] = (
        "Bhardwaj et al., Sparse High Rank Adapters, NeurIPS 2024, arXiv:2406.13175; "
        "code: huggingface/peft v0.21.2 (random mask)"
    )
    starts_at_base: ClassVar[bool] = True

    rank: int = 4
    """Gives each weight as many places as LoRA has values at this rank; it bounds no rank."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("rank", self.rank, 1)
        check_not_negative("weight_decay", self.weight_decay)

    def _most(self, shapes: Shapes) -> int:
        """The rank at which the first weight is full.

        Raises:
            SpecError: a weight has fewer entries than LoRA of rank 1.
        """
        for name, (out, into) in zip(shapes, matrices(shapes, self.label), strict=True):
            if out * into < out + into:
                raise SpecError(
                    f"SHiRA needs {out + into} places at least in {name}, whose shape is "
                    f"{out} x {into}. Leave it out of the targets."
                )
        return min(out * into // (out + into) for out, into in matrices(shapes, self.label))

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """As many places as LoRA of rank 1 has values, and one rank more."""
        self._most(shapes)
        one = rank_one(shapes, self.label)
        return one, one

    def fit(self, budget: int, shapes: Shapes) -> "SHiRA":
        """The largest rank within the budget; no larger than the smallest weight has room for."""
        smallest, step = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, "rank 1")
        return replace(self, rank=min(budget // step, self._most(shapes)))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank of the LoRA with as many values."""
        return f"as many as rank {self.rank}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """A value for each place, and two indices beside it in the file."""
        count = self.rank * self.budget_range(shapes)[0]
        stored = NUMBERS_EACH * count
        return Footprint(active=count, stored=stored, support=count, estimated=False)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The values, and the rows and columns of their places."""
        return "shira_weight", "shira_indices"

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's SHiRA layers in place of the target Linears, with places drawn by the plan's seed.

        Raises:
            SpecError: a weight has fewer entries than places.
        """
        from peft import ShiraConfig

        from sparse_peft.tuners.attachments.shira import ShiraAttachment
        from sparse_peft.tuners.targets import shapes_of

        most = self._most(shapes_of(components, targets))
        if self.rank > most:
            raise SpecError(f"rank is {self.rank}; the smallest weight has room for {most}.")
        config = ShiraConfig(r=self.rank, random_seed=plan.seed)
        return ShiraAttachment(
            components, targets, config, plan.seed, weight_decay=self.weight_decay
        )
