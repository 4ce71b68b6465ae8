"""Full fine-tuning at work in the components of a backbone; an `Attachment`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sparse_peft.tuners.attachments.training import TrainedBefore, load_moments, moments_of
from sparse_peft.tuners.footprint import Footprint
from sparse_peft.tuners.layout import FULL_NAME, FULL_TENSORS
from sparse_peft.tuners.paths import paths_by_component
from sparse_peft.tuners.targets import components_of, weight_of
from sparse_peft.tuners.tensor_files import write_tensors

[WEIGHT] = FULL_TENSORS


class FullAttachment:
    """AdamW on the target weights themselves; a copy of them gives the base back bit for bit.

    Args:
        weight_decay: of AdamW, decoupled.
    """

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        targets: Sequence[str],
        *,
        weight_decay: float = 0.0,
    ) -> None:
        self._trained = TrainedBefore(components_of(components, targets).values())
        self._trained.freeze()
        self._weights = {
            target: weight_of(components, target).requires_grad_(True) for target in targets
        }
        # On the CPU, where the room is: they are needed again only at the end.
        self._originals = {
            target: weight.detach().to("cpu", copy=True) for target, weight in self._weights.items()
        }
        self._weight_decay = weight_decay
        self._optimizer: torch.optim.AdamW | None = None

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """AdamW on all entries of all targets."""
        if self._optimizer is None:
            self._optimizer = torch.optim.AdamW(
                self.leaves(), lr=lr, weight_decay=self._weight_decay
            )
        return self._optimizer

    def before_forward(self, step: int) -> None:
        """Nothing to do."""

    def penalty(self) -> None:
        """None."""

    def leaves(self) -> list[Tensor]:
        """The weights."""
        return list(self._weights.values())

    def clip(self, max_norm: float) -> None:
        """Scale the gradients down together."""
        torch.nn.utils.clip_grad_norm_(self.leaves(), max_norm)

    def after_step(self, step: int) -> None:
        """Nothing to do."""

    def measured(self) -> Footprint:
        """Every entry of every target."""
        return Footprint.dense(sum(weight.numel() for weight in self._weights.values()))

    def state(self) -> dict[str, Tensor]:
        """The weights as they are, and AdamW's moments."""
        found: dict[str, Tensor] = {}
        moments = moments_of(self._optimizer, self.leaves())
        for number, (weight, own) in enumerate(zip(self.leaves(), moments, strict=True)):
            found[f"{number}/weight"] = weight.detach()
            found |= {f"{number}/optimizer/{key}": value for key, value in own.items()}
        return {key: value.to("cpu", copy=True) for key, value in found.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up weights, and moments if there are any."""
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            number, kind, *rest = key.split("/")
            if kind == "weight":
                self.leaves()[int(number)].copy_(value)
            else:
                moments.setdefault(int(number), {})[rest[0]] = value
        load_moments(self._optimizer, moments)

    def save(self, folder: Path) -> None:
        """Write the whole weights into a subfolder for each component."""
        for component, paths in paths_by_component(self._weights).items():
            tensors = {f"{path}.{WEIGHT}": self._weights[f"{component}/{path}"] for path in paths}
            write_tensors(folder / component / FULL_NAME, tensors)

    def change(self, target: str) -> Float[Tensor, "*shape"]:
        """What one weight is, less what it was."""
        now = self._weights[target].detach().cpu()
        return now.float() - self._originals[target].float()

    @torch.no_grad()
    def remove(self, keep: bool) -> None:
        """Let go of the weights, and give them back as they were unless they are kept."""
        for target, weight in self._weights.items():
            if not keep:
                weight.copy_(self._originals[target])
            weight.grad = None
        self._trained.again()
