"""OFT, as PEFT does it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.errors import SpecError
from sparse_peft.methods.checks import check_at_least, check_not_negative
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import largest, matrices, refuse_below

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class OFT:
    """Each weight is turned by a block-diagonal orthogonal matrix."""

    name: ClassVar[str] = "oft"
    title: ClassVar[str] = "Orthogonal Fine-Tuning"
    label: ClassVar[str] = "OFT"
    family: ClassVar[str] = "snell"
    sentence: ClassVar[str] = (
        "Adds nothing: turns the inputs of each layer, block by block, so that lengths and angles "
        "stay."
    )
    source: ClassVar[str] = (
        "Qiu et al., Controlling Text-to-Image Diffusion by Orthogonal Finetuning, NeurIPS 2023, "
        "arXiv:2306.07280; code: huggingface/peft v0.21.2 (input side, Cayley-Neumann)"
    )
    starts_at_base: ClassVar[bool] = True

    block_size: int = 32
    """Inputs that are turned together; each layer takes the nearest number that divides its own."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("block_size", self.block_size, 2)
        check_not_negative("weight_decay", self.weight_decay)

    def _widths(self, shapes: Shapes) -> Counter[int]:
        """How many weights have how many inputs.

        Raises:
            SpecError: one of them can only be cut into blocks of 1, which cannot turn.
        """
        widths = Counter(into for _, into in matrices(shapes, self.label))
        for width in widths:
            if _nearest_divisor(width, self.block_size) == 1:
                raise SpecError(
                    f"OFT cuts the inputs of a layer into equal blocks; for {width} inputs the "
                    f"number nearest to {self.block_size} that divides them is 1. Use larger "
                    "blocks, or leave such layers out of the targets."
                )
        return widths

    def _count(self, shapes: Shapes) -> int:
        return sum(
            times * (width * (_nearest_divisor(width, self.block_size) - 1) // 2)
            for width, times in self._widths(shapes).items()
        )

    def _sizes(self, shapes: Shapes) -> tuple[int, ...]:
        return _sizes(frozenset(into for _, into in matrices(shapes, self.label)))

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """The smallest blocks that divide each layer's inputs, and the next larger ones."""
        sizes = self._sizes(shapes)
        counts = [replace(self, block_size=size)._count(shapes) for size in sizes[:2]]
        return counts[0], counts[-1] - counts[0] or 1

    def fit(self, budget: int, shapes: Shapes) -> "OFT":
        """The largest blocks within the budget."""
        refuse_below(self.budget_range(shapes)[0], budget, self.label, "the smallest blocks")
        sizes = self._sizes(shapes)

        def holds(place: int) -> bool:
            return replace(self, block_size=sizes[place - 1])._count(shapes) <= budget

        return replace(self, block_size=sizes[largest(holds, len(sizes)) - 1])

    def knob(self, shapes: Shapes) -> str:
        """The sizes that blocks have in these layers."""
        taken = {_nearest_divisor(width, self.block_size) for width in self._widths(shapes)}
        least, most = min(taken), max(taken)
        return f"blocks of {least}" if least == most else f"blocks of {least} to {most}"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """The upper triangle of each block's skew matrix; every entry of a weight changes."""
        count = self._count(shapes)
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The upper triangles of the skew matrices, one for each block."""
        return ("oft_R.weight",)

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's OFT layers in place of the target Linears."""
        import warnings

        from peft import OFTConfig

        from sparse_peft.tuners.attachments.peft import PeftAttachment
        from sparse_peft.tuners.changes import turned
        from sparse_peft.tuners.targets import shapes_of

        self._widths(shapes_of(components, targets))
        config = OFTConfig(r=0, oft_block_size=self.block_size)
        with warnings.catch_warnings():
            # That a layer takes the nearest block size that divides its inputs is counted above.
            warnings.filterwarnings("ignore", message="Invalid `oft_block_size`")
            return PeftAttachment(
                components,
                targets,
                config,
                plan.seed,
                weight_decay=self.weight_decay,
                change=turned,
            )


@cache
def _sizes(widths: frozenset[int]) -> tuple[int, ...]:
    """The block sizes, ascending, that differ in what the layers take, and leave none with 1.

    Of those that do not differ it is the one nearest to what the layers take.
    """
    known: dict[tuple[int, ...], int] = {}
    for size in range(2, max(widths) + 1):
        cut = tuple(_nearest_divisor(width, size) for width in widths)
        if min(cut) > 1:
            known[cut] = min(known.get(cut, size), size, key=lambda each: _distance(each, cut))
    return tuple(known.values())


def _distance(size: int, cut: tuple[int, ...]) -> int:
    return sum(abs(size - each) for each in cut)


def _nearest_divisor(width: int, size: int) -> int:
    """What divides `width` and is nearest to `size`, the smaller of two, as PEFT chooses it."""
    return min(_divisors(width), key=lambda divisor: (abs(divisor - size), divisor))


@cache
def _divisors(width: int) -> tuple[int, ...]:
    return tuple(number for number in range(1, width + 1) if width % number == 0)
