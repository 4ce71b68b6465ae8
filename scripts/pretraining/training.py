"""What the three trainings share: batches keyed by step, schedules, averages, checkpoints."""

import copy
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


def generator(seed: int, step: int) -> torch.Generator:
    """Randomness of one step, the same however often the training was interrupted."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


def cosine(step: int, total: int, warmup: int = 100, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    along = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * along))


def pixels(array: np.ndarray, device: torch.device) -> Tensor:
    """uint8 N H W C to float N C H W in [-1, 1]."""
    # A copy: torch warns of arrays that it could not write to, such as those of a mapped file.
    copied = torch.from_numpy(np.array(array, order="C"))
    return copied.to(device).permute(0, 3, 1, 2) / 127.5 - 1


class Average:
    """Exponential moving average of a module's parameters, warmed up."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mean, value in zip(self.module.parameters(), module.parameters(), strict=True):
            mean.lerp_(value.to(mean.dtype), 1 - decay)


class Training:
    """A module, its optimizer and its average, kept in one checkpoint file."""

    def __init__(
        self, name: str, folder: Path, module: nn.Module, lr: float, total: int, decay: float
    ) -> None:
        self.path = folder / f"{name}.pt"
        self.module, self.lr, self.total = module, lr, total
        self.average = Average(module, decay)
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True
        )
        self.step = 0
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        self.module.load_state_dict(state["module"])
        self.average.module.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def save(self) -> None:
        """Write the checkpoint beside the old one, then replace it."""
        partial = self.path.with_suffix(".part")
        torch.save(
            {
                "module": self.module.state_dict(),
                "average": self.average.module.state_dict(),
                "updates": self.average.updates,
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
            },
            partial,
        )
        os.replace(partial, self.path)

    def steps(self, save_every: int) -> Iterator[int]:
        """Step numbers still to do; a checkpoint is written on the way and at the end."""
        while self.step < self.total:
            yield self.step
            self.step += 1
            if self.step % save_every == 0:
                self.save()
        self.save()

    def descend(self, loss: Tensor) -> None:
        """One optimizer step; a non-finite loss ends the training."""
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"{self.path.stem}: the loss is {loss.item()} at step {self.step}"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * cosine(self.step, self.total)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.average.update(self.module)
