"""LoKr, as PEFT does it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.errors import SpecError
from sparse_peft.methods.checks import check_alpha, check_at_least, check_not_negative
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import CLOSE, alpha_of, largest, matrices, refuse_below

if TYPE_CHECKING:
    import torch

NEAREST_ROOT = -1  # as decompose_factor: factors as near to each other as they can be


@dataclass(frozen=True)
class LoKr:
    """Each weight gains the Kronecker product of a small matrix and a low-rank one."""

    name: ClassVar[str] = "lokr"
    title: ClassVar[str] = "Low-Rank Kronecker Product"
    label: ClassVar[str] = "LoKr"
    family: ClassVar[str] = "lora"
    sentence: ClassVar[str] = (
        "Repeats one small pattern over each layer, and a still smaller matrix says how strongly "
        "at each place."
    )
    source: ClassVar[str] = (
        "Yeh et al., Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model "
        "Evaluation, ICLR 2024, arXiv:2309.14859; code: huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True

    rank: int = 4
    """Rank of the larger factor; from half its longer side on, that factor is learned whole."""
    decompose_factor: int = -1
    """Longest side of the smaller factor; -1 makes both factors as alike as they can be."""
    alpha: float | None = None
    """The product is multiplied by alpha / rank; empty means alpha = rank, so 1."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("rank", self.rank, 1)
        if self.decompose_factor != NEAREST_ROOT and self.decompose_factor < 1:
            raise SpecError(
                f"decompose_factor is {self.decompose_factor}; expected 1 or more, or -1."
            )
        check_alpha(self.alpha)
        check_not_negative("weight_decay", self.weight_decay)

    def _count(self, pairs: Counter[tuple[int, int]]) -> int:
        return sum(
            times * _values(pair, self.decompose_factor, self.rank) for pair, times in pairs.items()
        )

    def _factored(self, pairs: Counter[tuple[int, int]]) -> "Iterator[LoKr]":
        """Rank 1 with each factor that divides differently, this method's own first."""
        yield replace(self, rank=1)
        roots = max(_split(side, NEAREST_ROOT)[0] for pair in pairs for side in pair)
        for factor in range(roots, 0, -1):
            yield replace(self, rank=1, decompose_factor=factor)

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """The least that any factor gives at rank 1, and one rank more there."""
        pairs = Counter(matrices(shapes, self.label))
        least = min(self._factored(pairs), key=lambda one: one._count(pairs))
        smallest = least._count(pairs)
        return smallest, max(1, replace(least, rank=2)._count(pairs) - smallest)

    def fit(self, budget: int, shapes: Shapes) -> "LoKr":
        """The largest rank within the budget, at the factor nearest to one's own that comes close.

        A factor reaches only so high and so low: the ranks of the larger factor are few where both
        are alike. Others are tried where none of its ranks is within 2 % of the budget.
        """
        pairs = Counter(matrices(shapes, self.label))
        refuse_below(self.budget_range(shapes)[0], budget, self.label, "rank 1")
        best: LoKr | None = None
        for one in self._factored(pairs):
            if one._count(pairs) > budget:
                continue
            found = one._at_most(budget, pairs)
            if best is None or found._count(pairs) > best._count(pairs):
                best = found
            if best._count(pairs) >= (1 - CLOSE) * budget:
                break
        assert best is not None
        return best

    def _at_most(self, budget: int, pairs: Counter[tuple[int, int]]) -> "LoKr":
        """The rank of this factor that trains most within the budget."""
        # Between the ranks from which a weight's larger factor is whole, the count rises; there, it
        # may fall.
        factor = self.decompose_factor
        turns = {_first_whole([_split(side, factor)[1] for side in pair]) for pair in pairs}
        starts = sorted({1, *turns})
        ends = [*starts[1:], starts[-1] + 1]
        found = [self._between(*span, budget, pairs) for span in zip(starts, ends, strict=True)]
        return max(found, key=lambda one: one._count(pairs) if one._count(pairs) <= budget else 0)

    def _between(
        self, start: int, end: int, budget: int, pairs: Counter[tuple[int, int]]
    ) -> "LoKr":
        """The largest rank within the budget, of those from `start` to below `end`, or `start`."""

        def within(number: int) -> bool:
            return replace(self, rank=start - 1 + number)._count(pairs) <= budget

        return replace(self, rank=start - 1 + largest(within, end - start))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """The rank, and the factor where it is not the usual one."""
        own = self.decompose_factor
        return f"rank {self.rank}" + ("" if own == NEAREST_ROOT else f", factor {own}")

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """Both factors of each weight; the product is dense."""
        count = self._count(Counter(matrices(shapes, self.label)))
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Both factors; of the second, two thin ones where its rank is low for its sides."""
        large = [_split(side, self.decompose_factor)[1] for side in shape]
        second = ("lokr_w2",) if _is_whole(large, self.rank) else ("lokr_w2_a", "lokr_w2_b")
        return "lokr_w1", *second

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's LoKr layers in place of the target Linears."""
        from peft import LoKrConfig

        from sparse_peft.tuners.attachments.peft import PeftAttachment

        alpha = alpha_of(self.alpha, self.rank)
        config = LoKrConfig(r=self.rank, alpha=alpha, decompose_factor=self.decompose_factor)
        return PeftAttachment(
            components, targets, config, plan.seed, weight_decay=self.weight_decay
        )


@cache  # the dial sizes a method 49 times, and each size tries many ranks of many factors
def _values(pair: tuple[int, int], factor: int, rank: int) -> int:
    """Trainable values of one weight."""
    (small_out, large_out), (small_in, large_in) = (_split(side, factor) for side in pair)
    whole = _is_whole((large_out, large_in), rank)
    large = large_out * large_in if whole else rank * (large_out + large_in)
    return small_out * small_in + large


def _is_whole(large: Sequence[int], rank: int) -> bool:
    """Whether PEFT learns a larger factor of these sides whole, not as two thin ones."""
    return rank >= _first_whole(large)


def _first_whole(large: Sequence[int]) -> int:
    return (max(large) + 1) // 2


@cache
def _split(side: int, factor: int) -> tuple[int, int]:
    """A side as a product of two numbers, the smaller first, as PEFT's LoKr takes it apart."""
    if factor > 0 and side % factor == 0:
        return factor, side // factor
    most = side if factor == NEAREST_ROOT else factor
    small, large = 1, side
    while small < large:
        next_small = next(n for n in range(small + 1, side + 1) if side % n == 0)
        if next_small + side // next_small > small + large or next_small > most:
            break
        small, large = next_small, side // next_small
    return min(small, large), max(small, large)
