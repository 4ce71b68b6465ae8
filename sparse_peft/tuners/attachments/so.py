"""SO at work in the components of a backbone: few entries of the weights themselves change."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sparse_peft.maths.so.support_sizes import entries_kept
from sparse_peft.tuners.attachments.training import TrainedBefore
from sparse_peft.tuners.entries import values_at
from sparse_peft.tuners.footprint import Footprint
from sparse_peft.tuners.layout import DELTA_NAME
from sparse_peft.tuners.paths import paths_by_component
from sparse_peft.tuners.so.delta import Difference, difference_of, write_differences
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import SampledGradients, sampled_gradients
from sparse_peft.tuners.so.saved_state import COUNTERS, MOMENTS
from sparse_peft.tuners.targets import components_of, weight_of
from sparse_peft.tuners.touched import Touched

TENSORS = (*MOMENTS, "support")


class SOAttachment:
    """The SO optimizer on the target weights, with sampled gradients; an `Attachment`.

    What every touched entry was is remembered from the moment it is first sampled, so the base
    weights come back bit for bit without a copy of them.

    Args:
        options: of SO, without the learning rate.
    """

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        targets: Sequence[str],
        options: Mapping[str, Any],
    ) -> None:
        self._components = components_of(components, targets)
        self._options = dict(options)
        self._trained = TrainedBefore(self._components.values())
        self._trained.freeze()
        self._weights: dict[str, Tensor] = {}
        for target in targets:
            self._weights[target] = weight_of(components, target).requires_grad_(True)
        self._touched = {weight: Touched(weight) for weight in self._weights.values()}
        self._so: SO | None = None
        self._sampling: SampledGradients | None = None

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """SO on all targets together."""
        if self._so is None:
            weights = list(self._weights.values())
            self._so = SO(weights, lr=lr, remember=True, **self._options)
            self._touched = self._so.originals
            models = nn.ModuleList(self._components.values())
            self._sampling = sampled_gradients(models, self._so)
            self._so.refresh()
        return self._so

    def _made(self) -> SO:
        if self._so is None:
            raise ValueError("make the optimizer first")
        return self._so

    def before_forward(self, step: int) -> None:  # noqa: ARG002
        """Draw the supports whose time has come."""
        self._made().refresh()

    def penalty(self) -> None:
        """None."""

    def leaves(self) -> list[Tensor]:
        """The sampled entries of each weight; the weights themselves keep no gradient."""
        return list(self._made().sampled.values())

    def clip(self, max_norm: float) -> None:
        """Scale the sampled gradients down together."""
        torch.nn.utils.clip_grad_norm_(self.leaves(), max_norm)

    def after_step(self, step: int) -> None:
        """Nothing to do."""

    def measured(self) -> Footprint:
        """The entries that are trained at a time, and those that differ from the base by now."""
        density = self._options["density_ratio"]
        active = sum(entries_kept(w.numel(), density) for w in self._weights.values())
        support = sum(len(self._delta(target).index) for target in self._weights)
        return Footprint(active=active, stored=2 * support, support=support, estimated=False)

    def _delta(self, target: str) -> Difference:
        """Where one weight differs from its base, and by how much."""
        weight = self._weights[target]
        return difference_of(weight, self._touched[weight])

    def state(self) -> dict[str, Tensor]:
        """The touched entries as they are, and all that SO remembers."""
        found: dict[str, Tensor] = {}
        for number, weight in enumerate(self._weights.values()):
            index, _ = self._touched[weight].resolved()
            found[f"{number}/touched"] = index
            found[f"{number}/values"] = values_at(weight.detach(), index)
            own = self._made().state[weight]
            found.update({f"{number}/{key}": own[key] for key in TENSORS})
            found.update({f"{number}/{key}": torch.tensor(own[key]) for key in COUNTERS})
        return {key: value.to("cpu", copy=True) for key, value in found.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up touched entries, moments, supports and counters."""
        so = self._made()
        so.zero_grad()
        for number, weight in enumerate(self._weights.values()):
            touched = self._touched[weight]
            touched.restore()
            touched.add(state[f"{number}/touched"])
            touched.write(state[f"{number}/values"])
            own = so.state[weight]
            for key in TENSORS:
                own[key] = state[f"{number}/{key}"].to(weight.device, copy=True)
            own.update({key: int(state[f"{number}/{key}"]) for key in COUNTERS})

    def save(self, folder: Path) -> None:
        """Write the differences, by flat index, into a subfolder for each component."""
        for component, paths in paths_by_component(self._weights).items():
            (folder / component).mkdir(parents=True, exist_ok=True)
            found = {path: self._delta(f"{component}/{path}") for path in paths}
            write_differences(folder / component / DELTA_NAME, found)

    def change(self, target: str) -> Float[Tensor, "*shape"]:
        """The differences of one weight, in a dense tensor."""
        found, weight = self._delta(target), self._weights[target]
        dense = torch.zeros(weight.numel(), device=weight.device)
        return dense.index_copy_(0, found.index.long(), found.difference).view(weight.shape).cpu()

    def remove(self, keep: bool) -> None:
        """Let go of the weights, and give them back as they were unless they are kept."""
        if self._sampling is not None:
            self._sampling.remove()
            self._sampling = None
        for touched in self._touched.values():
            if not keep:
                touched.restore()
        self._trained.again()
