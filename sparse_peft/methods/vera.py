"""VeRA, as PEFT does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.errors import SpecError
from sparse_peft.methods.checks import check_at_least, check_not_negative, check_seed, check_share
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import matrices, refuse_below

if TYPE_CHECKING:
    import torch

# Most entries of the shared matrices: so many times those of all weights, or the second if more.
SHARED_TIMES = 20
SHARED_ALWAYS = 2**25


@dataclass(frozen=True)
class VeRA:
    """Each weight gains a product of two frozen random matrices that all share, rescaled."""

    name: ClassVar[str] = "vera"
    title: ClassVar[str] = "Vector-based Random Matrix Adaptation"
    label: ClassVar[str] = "VeRA"
    family: ClassVar[str] = "lora"
    sentence: ClassVar[str] = (
        "Lets all layers share two frozen random matrices, and learns only how strongly each row "
        "of them counts."
    )
    source: ClassVar[str] = (
        "Kopiczko et al., VeRA: Vector-based Random Matrix Adaptation, ICLR 2024, "
        "arXiv:2310.11454; code: huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True

    rank: int = 256
    """Inner dimension of the shared matrices; far higher than LoRA's for the same budget."""
    d_initial: float = 0.1
    """What each of the `rank` factors starts from; those of the outputs start from 0."""
    projection_prng_key: int = 0
    """Seed of the shared matrices. The file holds it in their place, so they are drawn anew."""
    dropout: float = 0.0
    """Share of the adapter's input that is dropped in training, 0 to below 1."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("rank", self.rank, 1)
        check_seed("projection_prng_key", self.projection_prng_key)
        check_share("dropout", self.dropout)
        check_not_negative("weight_decay", self.weight_decay)

    def _outputs(self, shapes: Shapes) -> int:
        return sum(out for out, _ in matrices(shapes, self.label))

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """A factor for each output and rank 1, and one rank more."""
        return self._outputs(shapes) + len(shapes), len(shapes)

    def fit(self, budget: int, shapes: Shapes) -> "VeRA":
        """The largest rank within the budget.

        No larger than the largest weight has entries: from there on the directions repeat. And not
        so large that the shared matrices would dwarf the weights.
        """
        smallest, step = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, "rank 1")
        most = max(out * into for out, into in matrices(shapes, self.label))
        rank = (budget - self._outputs(shapes)) // step
        return replace(self, rank=min(rank, most, self._highest(shapes)))

    def _highest(self, shapes: Shapes) -> int:
        """The rank from which on the shared matrices would be too large."""
        pairs = matrices(shapes, self.label)
        entries = sum(out * into for out, into in pairs)
        widest = max(out for out, _ in pairs) + max(into for _, into in pairs)
        return max(SHARED_ALWAYS, SHARED_TIMES * entries) // widest

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank."""
        return f"rank {self.rank}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """Two vectors a weight; the shared matrices follow from the seed, so they are not kept.

        Raises:
            SpecError: these matrices would be far larger than the weights.
        """
        highest = self._highest(shapes)
        if self.rank > highest:
            raise SpecError(
                f"rank is {self.rank}; expected {highest} at most here, or the shared matrices "
                "would be far larger than the weights."
            )
        count = self._outputs(shapes) + self.rank * len(shapes)
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The factors of the outputs, and those of the rank."""
        return "vera_lambda_b", "vera_lambda_d"

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's VeRA layers in place of the target Linears."""
        import warnings

        from peft import VeraConfig

        from sparse_peft.tuners.attachments.peft import PeftAttachment

        with warnings.catch_warnings():
            # That the shared matrices are drawn anew is what is wanted here.
            warnings.filterwarnings("ignore", message="Specified to not save vera_A")
            config = VeraConfig(
                r=self.rank,
                d_initial=self.d_initial,
                projection_prng_key=self.projection_prng_key,
                vera_dropout=self.dropout,
                save_projection=False,
            )
        return PeftAttachment(
            components, targets, config, plan.seed, weight_decay=self.weight_decay
        )
