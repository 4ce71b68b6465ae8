"""FourierFT, as PEFT does it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from sparse_peft.methods.checks import check_at_least, check_not_negative, check_scaling, check_seed
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import largest, matrices, refuse_below
from sparse_peft.tuners.paths import paths_by_component

if TYPE_CHECKING:
    import torch
    from peft import FourierFTConfig


@dataclass(frozen=True)
class FourierFT:
    """Each weight gains the real part of the inverse Fourier transform of a sparse grid."""

    name: ClassVar[str] = "fourierft"
    title: ClassVar[str] = "Fourier Fine-Tuning"
    label: ClassVar[str] = "FourierFT"
    family: ClassVar[str] = "waveft"
    sentence: ClassVar[str] = (
        "Learns the strength of a few scattered waves; each one runs across the whole weight."
    )
    source: ClassVar[str] = (
        "Gao et al., Parameter-Efficient Fine-Tuning with Discrete Fourier Transform, ICML 2024, "
        "arXiv:2405.03003; code: huggingface/peft v0.21.2"
    )
    starts_at_base: ClassVar[bool] = False  # as published; see init_weights

    frequencies: int = 1000
    """Trainable coefficients of each weight; all of them where a weight has fewer."""
    scaling: float = 150.0
    """Multiplies the update; with many coefficients in a small weight it must be small."""
    random_loc_seed: int = 777
    """Seed of the places of the coefficients; weights of equal shape share their places."""
    init_weights: bool = False
    """Whether they start from zero, so that nothing changes at first; published: at random."""
    weight_decay: float = 1e-4
    """Decoupled, of AdamW on the adapter's values."""

    def __post_init__(self) -> None:
        check_at_least("frequencies", self.frequencies, 1)
        check_seed("random_loc_seed", self.random_loc_seed)
        check_scaling(self.scaling)
        check_not_negative("weight_decay", self.weight_decay)

    def counts(self, shapes: Shapes) -> list[int]:
        """Coefficients of each weight."""
        sizes = (out * into for out, into in matrices(shapes, self.label))
        return [min(self.frequencies, size) for size in sizes]

    def budget_range(self, shapes: Shapes) -> tuple[int, int]:
        """One coefficient for each weight, and one more for each."""
        matrices(shapes, self.label)
        return len(shapes), len(shapes)

    def fit(self, budget: int, shapes: Shapes) -> "FourierFT":
        """The largest number of coefficients a weight within the budget."""
        refuse_below(len(shapes), budget, self.label, "one coefficient for each weight")
        most = max(out * into for out, into in matrices(shapes, self.label))

        def holds(frequencies: int) -> bool:
            return sum(replace(self, frequencies=frequencies).counts(shapes)) <= budget

        return replace(self, frequencies=largest(holds, most))

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """Coefficients a weight."""
        return f"{self.frequencies} per layer"

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """The coefficients; their places follow from the seed, and a wave changes every entry."""
        count = sum(self.counts(shapes))
        return Footprint.dense(count)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The coefficients."""
        return ("fourierft_spectrum",)

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """PEFT's FourierFT layers in place of the target Linears."""
        from sparse_peft.tuners.attachments.peft import PeftAttachment
        from sparse_peft.tuners.targets import shapes_of

        counts = dict(zip(targets, self.counts(shapes_of(components, targets)), strict=True))
        configs = {
            component: self._config({path: counts[f"{component}/{path}"] for path in paths})
            for component, paths in paths_by_component(targets).items()
        }
        return PeftAttachment(
            components, targets, configs, plan.seed, weight_decay=self.weight_decay
        )

    def _config(self, counts: Mapping[str, int]) -> "FourierFTConfig":
        """PEFT's settings of one component, of whose weights these are the counts, by path."""
        from peft import FourierFTConfig

        return FourierFTConfig(
            n_frequency=self.frequencies,
            n_frequency_pattern=_pattern(counts, self.frequencies),
            scaling=self.scaling,
            random_loc_seed=self.random_loc_seed,
            init_weights=self.init_weights,
        )


def _pattern(counts: Mapping[str, int], usual: int) -> dict[str, int]:
    """The counts that are not the usual one, so that PEFT gives each to its own weight alone.

    PEFT takes the first key that matches after some dot of a path, and otherwise the path itself.
    So one without a dot cannot be told from the end of a longer one: those come before it.
    """
    smaller = {path for path, count in counts.items() if count < usual}
    flat = {path for path in smaller if "." not in path}
    deep = [p for p in counts if "." in p and (p in smaller or p.rpartition(".")[2] in flat)]
    found = {}
    for path in deep:
        before, dot, last = path.rpartition(".")
        found[f"(?<=^{re.escape(before + dot)}){re.escape(last)}"] = counts[path]
    return found | {path: counts[path] for path in counts if path in flat}
