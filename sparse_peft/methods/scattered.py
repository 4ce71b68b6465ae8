"""What WaveFT and its weight-domain baseline share: some coefficients of each weight, by chance."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from sparse_peft.errors import SpecError
from sparse_peft.methods.checks import check_at_least, check_not_negative, check_scaling, check_seed
from sparse_peft.methods.method import Attachment, Footprint, Plan, Shapes
from sparse_peft.methods.sizes import largest, matrices, refuse_below
from sparse_peft.tuners.paths import component_of, path_of, paths_by_component

if TYPE_CHECKING:
    import torch

    from sparse_peft.tuners.waveft.model import WaveFTConfig

Kind = TypeVar("Kind", bound="Scattered")


class Scattered:
    """Counts, sizes and attaches coefficients at random places of each weight's grid."""

    label: ClassVar[str]
    unit: ClassVar[str]
    """One value of a weight, in words."""
    coefficients: int
    scaling: float
    random_loc_seed: int
    per_layer_seed: bool
    proportional: bool
    weight_decay: float

    @property
    def wavelet(self) -> str | None:
        """The wavelet of the grid; None where the grid is the weight itself."""
        return None

    def __post_init__(self) -> None:
        check_at_least("coefficients", self.coefficients, 1)
        check_seed("random_loc_seed", self.random_loc_seed)
        check_scaling(self.scaling)
        check_not_negative("weight_decay", self.weight_decay)

    def _with(self: Kind, coefficients: int) -> Kind:
        return replace(self, coefficients=coefficients)  # type: ignore[type-var]

    def counts(self, shapes: Shapes) -> list[int]:
        """Coefficients of each weight, as PEFT shares them out within a component.

        Raises:
            SpecError: a proportional share is larger than its weight.
        """
        sizes = {name: out * into for name, (out, into) in self._pairs(shapes).items()}
        if not self.proportional:
            return [min(self.coefficients, size) for size in sizes.values()]
        counts = []
        for name, size in sizes.items():
            peers = [s for other, s in sizes.items() if component_of(other) == component_of(name)]
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
        return sum(self._with(1).counts(shapes)), len(shapes)

    def fit(self: Kind, budget: int, shapes: Shapes) -> Kind:
        """The largest number of coefficients a weight within the budget, counted truly."""
        smallest, _ = self.budget_range(shapes)
        refuse_below(smallest, budget, self.label, f"one {self.unit} for each weight")

        def holds(coefficients: int) -> bool:
            return sum(self._with(coefficients).counts(shapes)) <= budget

        return self._with(largest(holds, self._most(shapes)))

    def _most(self, shapes: Shapes) -> int:
        """The number of coefficients above which nothing is gained, or a share is too large."""
        sizes: dict[str, list[int]] = {}
        for name, (out, into) in self._pairs(shapes).items():
            sizes.setdefault(component_of(name), []).append(out * into)
        if self.proportional:
            return min(sum(peers) // len(peers) for peers in sizes.values())
        return max(max(peers) for peers in sizes.values())

    def knob(self, shapes: Shapes) -> str:  # noqa: ARG002
        """Coefficients a weight."""
        return f"{self.coefficients} per layer" + (" on average" if self.proportional else "")

    def footprint(self, shapes: Shapes, plan: Plan) -> Footprint:  # noqa: ARG002
        """The coefficients; their places follow from the seed, so they are not stored."""
        # Here, since only what counts needs NumPy.
        from sparse_peft.maths.wavelets.counting import touched_count
        from sparse_peft.maths.wavelets.places import layer_seed

        counts, support = self.counts(shapes), 0
        for (name, pair), count in zip(self._pairs(shapes).items(), counts, strict=True):
            seed = self.random_loc_seed
            if self.per_layer_seed:
                seed = layer_seed(seed, path_of(name))
            support += touched_count(pair, count, seed, self.wavelet)
        return Footprint(active=sum(counts), stored=sum(counts), support=support, estimated=False)

    def tensors(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """The coefficients."""
        return ("waveft_spectrum",)

    def attach(
        self,
        components: "Mapping[str, torch.nn.Module]",
        targets: Sequence[str],
        plan: Plan,
    ) -> Attachment:
        """Our WaveFT layers in place of the target Linears; the coefficients start at zero."""
        from sparse_peft.tuners.attachments.peft import PeftAttachment
        from sparse_peft.tuners.targets import shapes_of
        from sparse_peft.tuners.waveft.model import touched_entries

        shapes = shapes_of(components, targets)
        counts = dict(zip(targets, self.counts(shapes), strict=True))
        configs = {
            component: self._config({path: counts[f"{component}/{path}"] for path in paths})
            for component, paths in paths_by_component(targets).items()
        }
        return PeftAttachment(
            components,
            targets,
            configs,
            plan.seed,
            touched_entries,
            weight_decay=self.weight_decay,
        )

    def _config(self, counts: Mapping[str, int]) -> "WaveFTConfig":
        """PEFT's settings of one component, of whose weights these are the counts, by path."""
        from sparse_peft.tuners.waveft.model import WaveFTConfig

        own = not self.proportional  # or PEFT shares them out itself
        smaller = {p: c for p, c in counts.items() if own and c < self.coefficients}
        wavelet = {} if self.wavelet is None else {"wavelet_family": self.wavelet}
        return WaveFTConfig(
            n_frequency=self.coefficients,
            n_frequency_pattern={f"^{re.escape(path)}": c for path, c in smaller.items()},
            scaling=self.scaling,
            use_idwt=self.wavelet is not None,
            random_loc_seed=self.random_loc_seed,
            per_layer_seed=self.per_layer_seed,
            proportional_parameters=self.proportional,
            **wavelet,
        )
