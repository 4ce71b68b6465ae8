"""Time and memory of a Linear tuned by SNELL, by those of PEFT's LoRA of the same rank.

ViT-B/16's first MLP layer and a batch of 8 pictures: 768 inputs, 3072 outputs, 1576 tokens. Every
step finds the exact threshold anew. "Folded" adds the update to the weight before the product; the
published dropout and DropPath, measured apart, do not allow that. The released structure is the
repository's in our own words: distances, a quantile by sorting, all under activation checkpointing;
dropout and DropPath are off there, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import peft
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from benchmarks.figures import Figure, interleaved, ratio
from benchmarks.storages import kept_for_backward, transient_peak
from sparse_peft.tuners.snell.model import SnellConfig

SUBJECT = "snell_layer"
LORA = "PEFT's LoRA"
FOLDED, PAPER, LINEAR = "SNELL, folded", "SNELL, folded, as printed", "KLoRA, folded"
PUBLISHED = "SNELL, dropout and DropPath 0.1"
RELEASED = "SNELL, released structure"
BOUND = (FOLDED, PAPER, LINEAR)
MOST_TIME, MOST_COPIES, MOST_KEPT = 1.75, 4.5, 0.001
SPARSITY, SCALE = 0.9, 0.1


@dataclass(frozen=True)
class Shape:
    """A Linear, the batch that goes through it, and the rank."""

    into: int = 768
    out: int = 3072
    samples: int = 8
    tokens: int = 197  # of a sample: 14 x 14 patches and the class token
    rank: int = 16

    @property
    def weight_bytes(self) -> int:
        """Of one copy of the weight."""
        return 4 * self.into * self.out


def measure(rounds: int = 15, shape: Shape | None = None) -> list[Figure]:
    """Times by LoRA's, and memory in copies of the weight."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _times(rounds, shape or Shape()) + _memory(shape or Shape())
    finally:
        torch.set_num_threads(before)


def _times(rounds: int, shape: Shape) -> list[Figure]:
    taken = interleaved(steps(shape), rounds, 1)
    return [
        Figure(
            SUBJECT,
            f"{name}, rank {shape.rank}: step",
            ratio(taken, name, LORA),
            f"x {LORA}",
            MOST_TIME if name in BOUND else None,
        )
        for name in taken
        if name != LORA
    ]


def _memory(shape: Shape) -> list[Figure]:
    # With few tokens the activations are next to nothing beside what is of the weight's size.
    few = steps(replace(shape, samples=1, tokens=4))
    x = numbers(shape)[0]
    found = []
    for name, layer in layers(shape).items():
        peak = transient_peak(few[name]) / shape.weight_bytes
        goal = MOST_COPIES if name in BOUND else None
        found.append(Figure(SUBJECT, f"{name}: transient peak", peak, "weights", goal))
        kept = kept_for_backward(layer, x) / shape.weight_bytes
        goal = MOST_KEPT if name in BOUND else None
        found.append(Figure(SUBJECT, f"{name}: kept between passes", kept, "weights", goal))
    return found


def numbers(shape: Shape) -> tuple[Tensor, Tensor]:
    """Inputs that need gradients, and gradients of the outputs."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape.samples, shape.tokens, shape.into, generator=generator)
    dy = torch.randn(shape.samples, shape.tokens, shape.out, generator=generator) / shape.out
    return x.requires_grad_(), dy


def steps(shape: Shape) -> dict[str, Callable[[], Tensor]]:
    """Forward and backward pass of each contestant on the same numbers; a call gives the output."""
    x, dy = numbers(shape)

    def step(layer: nn.Module) -> Callable[[], Tensor]:
        def call() -> Tensor:
            x.grad = None
            y: Tensor = layer(x)
            y.backward(dy)  # type: ignore[no-untyped-call]
            return y

        return call

    return {name: step(layer) for name, layer in layers(shape).items()}


def layers(shape: Shape) -> dict[str, nn.Module]:
    """The same Linear tuned in each way, from the same factors where there are any."""

    def tuned(config: peft.PeftConfig) -> nn.Module:
        torch.manual_seed(1)
        config.target_modules = {"0"}
        model = nn.Sequential(nn.Linear(shape.into, shape.out))
        layer: nn.Module = peft.get_peft_model(model, config).base_model.model[0]
        return layer

    def snell(**settings: Any) -> nn.Module:
        return tuned(SnellConfig(**{"r": shape.rank, "sparsity": SPARSITY} | settings))

    folded = snell()
    return {
        LORA: tuned(peft.LoraConfig(r=shape.rank, lora_alpha=shape.rank)),
        FOLDED: folded,
        PAPER: snell(form="paper"),
        LINEAR: snell(sparsity=0.0),
        PUBLISHED: snell(dropout=0.1, drop_path=0.1),
        RELEASED: Released(folded),
    }


class Released(nn.Module):
    """The released structure on the numbers of one of our layers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.base = layer.get_base_layer()  # type: ignore[operator]
        self.a, self.b = (
            nn.Parameter(factors["default"].detach().clone())  # type: ignore[index]
            for factors in (layer.snell_A, layer.snell_B)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The Linear, and beside it what is computed again for the backward pass."""
        y: Tensor = self.base(x) + checkpoint(self._branch, x, use_reentrant=True)
        return y

    def _branch(self, x: Tensor) -> Tensor:
        signs = torch.tensor([SCALE, -SCALE]).view(2, 1, 1)
        merged = (torch.cdist(self.a, self.b) * signs).sum(0)
        sizes = merged.detach().abs()
        threshold = float(torch.quantile(sizes, SPARSITY))
        return F.linear(x, (merged * F.threshold(sizes, threshold, 0.0)).T)
