"""WaveFT: a few wavelet coefficients of each weight's update."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.errors import SpecError
from sparse_peft.maths.wavelet_filters import check_family
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import at_least, largest, matrices, not_negative, refuse_below

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WaveFT:
    """Each weight gains the inverse wavelet transform of a sparse grid."""

    name: ClassVar[str] = "waveft"
    title: ClassVar[str] = "Wavelet Fine-Tuning"
    label: ClassVar[str] = "WaveFT"
    family: ClassVar[str] = "waveft"
    sentence: ClassVar[str] = (
        "Learns a few scattered wavelet coefficients; each one shifts a small patch of weights."
    )
    source: ClassVar[str] = (
        "Bilican et al., Exploring Sparsity for Parameter Efficient Fine Tuning Using Wavelets, "
        "2025, arXiv:2505.12532; code: Bilican/Sparse_PEFT@a2f5e61, huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = True
    keeps: ClassVar[tuple[str, ...]] = ("waveft_spectrum",)

    coefficients: int = 2592
    """Trainable wavelet coefficients of each weight; all of them where a weight has fewer."""
    scaling: float = 25.0
    """Multiplies the update; it does not depend on how many coefficients there are."""
    wavelet_family: str = "db1"
    """Wavelet by its PyWavelets name: db1 (Haar) to db10, sym2 to sym10, coif1 to coif3."""
    random_loc_seed: int = 777
    """Seed of the places of the coefficients; weights of equal shape share their places."""
    proportional: bool = False
    """Whether large weights get more coefficients than small ones, at the same total."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values; 1e-4 is that of the official trainer."""

    def __post_init__(self) -> None:
        at_least("coefficients", self.coefficients, 1)
        at_least("random_loc_seed", self.random_loc_seed, 0)
        if not self.scaling > 0:
            raise SpecError(f"scaling is {self.scaling}; expected more than 0.")
        not_negative("weight_decay", self.weight_decay)
        check_family(self.wavelet_family)

    def counts(self, shapes: Shapes) -> list[int]:
        """Coefficients of each weight, as PEFT shares them out within a component.

        Raises:
            SpecError: a proportional share is larger than its weight.
        """
        sizes = {name: out * in_ for name, (out, in_) in self._pairs(shapes).items()}
        if not self.proportional:
            return [min(self.coefficients, size) for size in sizes.values()]
        counts = []
        for name, size in sizes.items():
            peers = [s for other, s in sizes.items() if _component(other) == _component(name)]
            share = max(1, round(size / sum(peers) * (self.coefficients * len(peers))))
            if share > size:
                raise SpecError(
                    f"coefficients is {self.coefficients}; a proportional share of {share} is "
                    f"more than the {size} entries of {name}. Lower it."
                )
            counts.append(share)
        return counts

    def _pairs(self, shapes: Shapes) -> dict[str, tuple[int, int]]:
        return dict(zip(shapes, matrices(shapes, self.label), strict=True))

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """One coefficient for each weight, and one more for each."""
        return sum(replace(self, coefficients=1).counts(shapes)), len(shapes)

    def fit(self, budget: int, shapes: Shapes) -> "WaveFT":
        """The largest number of coefficients a weight within the budget, counted truly."""
        smallest, _ = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, "one coefficient for each weight")

        def holds(coefficients: int) -> bool:
            return sum(replace(self, coefficients=coefficients).counts(shapes)) <= budget

        return replace(self, coefficients=largest(holds, self._most(shapes)))

    def _most(self, shapes: Shapes) -> int:
        """The number of coefficients above which nothing is gained, or a share is too large."""
        sizes: dict[str, list[int]] = {}
        for name, (out, in_) in self._pairs(shapes).items():
            sizes.setdefault(_component(name), []).append(out * in_)
        if self.proportional:
            return min(sum(peers) // len(peers) for peers in sizes.values())
        return max(max(peers) for peers in sizes.values())

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """Coefficients a weight."""
        return f"{self.coefficients} per layer" + (" on average" if self.proportional else "")

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """The coefficients; their places follow from the seed, so they are not stored."""
        from sparse_peft.maths.wavelets import touched_count

        counts = self.counts(shapes)
        support = sum(
            touched_count(pair, count, self.random_loc_seed, self.wavelet_family)
            for pair, count in zip(self._pairs(shapes).values(), counts, strict=True)
        )
        return Footprint(active=sum(counts), stored=sum(counts), support=support, estimated=False)

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """Our WaveFT layers in place of the target Linears; the coefficients start at zero."""
        from sparse_peft.tuners.peft_attachment import PeftAttachment
        from sparse_peft.tuners.targets import shapes_of
        from sparse_peft.tuners.waveft import WaveFTConfig, touched_entries

        shapes = shapes_of(components, targets)
        counts = dict(zip(targets, self.counts(shapes), strict=True))
        smaller = (
            {} if self.proportional else {n: c for n, c in counts.items() if c < self.coefficients}
        )
        config = WaveFTConfig(
            n_frequency=self.coefficients,
            n_frequency_pattern={f"^{re.escape(_path(n))}": c for n, c in smaller.items()},
            scaling=self.scaling,
            wavelet_family=self.wavelet_family,
            random_loc_seed=self.random_loc_seed,
            proportional_parameters=self.proportional,
        )
        return PeftAttachment(
            components,
            targets,
            config,
            plan.seed,
            touched_entries,
            weight_decay=self.weight_decay,
        )


def _component(target: str) -> str:
    return target.partition("/")[0]


def _path(target: str) -> str:
    return target.partition("/")[2]
