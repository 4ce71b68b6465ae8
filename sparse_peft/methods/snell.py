"""SNELL: thin factors, merged through a kernel, of which the large entries compete to stay."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.maths.snell.competition import Form
from sparse_peft.methods.checks import check_not_negative
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import full_rank, percent, rank_one, refuse_below
from sparse_peft.tuners.snell.settings import SLABS, SnellSettings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SNELL:
    """Each weight gains the largest entries of a full-rank update that two thin factors make."""

    name: ClassVar[str] = "snell"
    title: ClassVar[str] = "Sparse Tuning with Kernelised LoRA"
    label: ClassVar[str] = "SNELL"
    family: ClassVar[str] = "snell"
    sentence: ClassVar[str] = (
        "Turns two thin matrices into a full update by distances between their rows, and keeps "
        "its largest entries only."
    )
    source: ClassVar[str] = (
        "Shen et al., Expanding Sparse Tuning for Low Memory Usage, NeurIPS 2024, "
        "arXiv:2411.01800; code: ssfgunner/SNELL@e9d5185"
    )
    starts_at_base: ClassVar[bool] = False

    rank: int = 8
    """Columns of the two thin matrices, an even number: two distances share them."""
    sparsity: float = 0.9
    """Share of each update's entries that is zeroed, 0 to below 1; density is what is left."""
    form: Form = "code"
    """"code": survivors as the released code scales them; "paper": as Eq. 5 is printed."""
    dropout: float = 0.0
    """Share of the adapter's input that is dropped in training, 0 to below 1; published: 0.1."""
    drop_path: float = 0.0
    """Share of samples trained without the adapter, 0 to below 1; published: 0.1."""
    weight_decay: float = 1e-2
    """Decoupled, of AdamW on the adapter's values; 1e-2 is that of most of SNELL's scripts."""

    def __post_init__(self) -> None:
        self._settings()
        check_not_negative("weight_decay", self.weight_decay)

    def _settings(self) -> SnellSettings:
        return SnellSettings(self.rank, self.sparsity, self.form, self.dropout, self.drop_path)

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """Rank 2, and two ranks more: an odd rank cannot be split between two distances."""
        two = SLABS * rank_one(shapes, self.label)
        return two, two

    def fit(self, budget: int, shapes: Shapes) -> "SNELL":
        """The largest even rank within the budget; no larger than the widest weight has ranks."""
        smallest, step = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, f"rank {SLABS}")
        full = full_rank(shapes, self.label)
        return replace(self, rank=SLABS * max(1, min(budget // step, full // SLABS)))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank, and the share of entries that stay."""
        if self.sparsity == 0:
            return f"rank {self.rank}"
        return f"rank {self.rank}, density {percent(1 - self.sparsity)}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """Both factors; the entries that survive, if no two of an update are equally large."""
        count = self.rank * rank_one(shapes, self.label)
        competition = self._settings().competition
        support = sum(competition.survivors(math.prod(shape)) for shape in shapes.values())
        sparse = self.sparsity > 0
        return Footprint(count, count, support if sparse else None, estimated=sparse)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The two thin matrices."""
        return "snell_A", "snell_B"

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """Our SNELL layers in place of the target Linears."""
        from sparse_peft.tuners.attachments.peft import PeftAttachment
        from sparse_peft.tuners.snell.model import SnellConfig, surviving_entries

        config = SnellConfig(
            r=self.rank,
            sparsity=self.sparsity,
            form=self.form,
            dropout=self.dropout,
            drop_path=self.drop_path,
        )
        return PeftAttachment(
            components,
            targets,
            config,
            plan.seed,
            surviving_entries if self.sparsity > 0 else None,
            weight_decay=self.weight_decay,
        )
