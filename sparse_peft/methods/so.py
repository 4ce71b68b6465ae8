"""SO: few entries of each weight trained at a time, and different ones over time."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

from sparse_peft.errors import SpecError
from sparse_peft.maths.so.support_sizes import entries_kept, expected_union
from sparse_peft.methods.checks import check_at_least
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import percent, refuse_below
from sparse_peft.tuners.layout import DELTA_TENSORS

if TYPE_CHECKING:
    import torch

DECIMALS = 17  # beyond them no two densities keep different numbers of int32 entries


@dataclass(frozen=True)
class SO:
    """Adam on a random sample of each weight's entries, drawn anew every T steps."""

    name: ClassVar[str] = "so"
    title: ClassVar[str] = "Sparse Optimization"
    label: ClassVar[str] = "SO"
    family: ClassVar[str] = "so"
    sentence: ClassVar[str] = (
        "Trains the backbone's own weights, a small random set at a time, and draws a new set "
        "every few steps."
    )
    source: ClassVar[str] = (
        "Mrabah et al., Sparsity Outperforms Low-Rank Projections in Few-Shot Adaptation, "
        "ICCV 2025, arXiv:2504.12436; code: nairouz/SO@385f4ab"
    )
    starts_at_base: ClassVar[bool] = True

    density: float = 5e-4
    """Share of each weight's entries that is trained at a time, above 0 to 1; one at least."""
    T: int = 10
    """Steps for which a sample is kept before the next is drawn."""
    prune: Literal["after", "before"] = "after"
    """Whether moments are forgotten after the update (official code) or before it (paper)."""

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise SpecError(f"density is {self.density}; expected above 0 and at most 1.")
        check_at_least("T", self.T, 1)

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """One entry of each weight, and one entry more."""
        return len(shapes), 1

    def fit(self, budget: int, shapes: Shapes) -> "SO":
        """The largest density whose counted entries stay within the budget, in short digits."""
        refuse_below(len(shapes), budget, self.label, "one entry of each weight")
        sizes = Counter(math.prod(shape) for shape in shapes.values())
        low, high = 0.0, 1.0
        if _kept(sizes, high) <= budget:
            return replace(self, density=high)
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if _kept(sizes, middle) <= budget else (low, middle)
        return replace(self, density=_shortened(low, sizes))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The density in per cent."""
        return f"density {percent(self.density)}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:
        """The entries trained at a time, and the expected union of all samples.

        With `prune` "before" some sampled entries never move, so the union is an upper bound.
        """
        sizes = [math.prod(shape) for shape in shapes.values()]
        refreshes = math.ceil(plan.steps / self.T)
        support = round(
            sum(expected_union(n, entries_kept(n, self.density), refreshes) for n in sizes)
        )
        return Footprint(
            active=sum(entries_kept(n, self.density) for n in sizes),
            stored=2 * support,
            support=support,
            estimated=True,
        )

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The places of the entries that changed, and by how much."""
        return DELTA_TENSORS

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """The SO optimizer on the target weights, with sampled gradients."""
        from sparse_peft.tuners.attachments.so import SOAttachment

        options = {"density_ratio": self.density, "T": self.T, "prune": self.prune}
        return SOAttachment(components, targets, {**options, "seed": plan.seed})


def _shortened(density: float, sizes: Mapping[int, int]) -> float:
    """The fewest decimals that, rounded down, keep as many entries."""
    for places in range(1, DECIMALS):
        short = float(Decimal(density).quantize(Decimal(1).scaleb(-places), ROUND_FLOOR))
        if short > 0 and _kept(sizes, short) == _kept(sizes, density):
            return short
    return density


def _kept(sizes: Mapping[int, int], density: float) -> int:
    return sum(many * entries_kept(size, density) for size, many in sizes.items())
