"""Forward and backward pass of one Linear: frozen, and with each way of tuning it.

All contestants of a shape run in turns in one thread. WaveFT's coefficients change before every
call, so that the update is written anew each time. SO and dense AdamW also take their optimizer
step; SO draws new supports every 10 steps, which a median round does not contain (so_step does).
Memory is that of torch's allocator: what the forward pass keeps beside the input, and the peak.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import peft
import torch
from torch import Tensor, nn

from benchmarks.figures import Figure, interleaved, ratio
from benchmarks.memory import kept_bytes, peak_bytes
from sparse_peft import SO, WaveFTConfig, sampled_gradients
from sparse_peft.maths.kernels import compiled

SUBJECT = "layers"
FROZEN, PEFTS, LORA = "frozen", "PEFT's WaveFT", "PEFT's LoRA"
OURS, COMPILED = "WaveFT, torch", "WaveFT, compiled"
SPARSE, DENSE = "SO, sampled gradients", "dense gradients, AdamW fused"
SPARSE_COMPILED = "SO, sampled gradients, compiled"
SDXL_COEFFICIENTS, DENSITY = 2592, 5e-4  # published: WaveFT's n_frequency, SO's density_ratio
# The built-in backbone's preset quick: 4 LoRA ranks, 139,776 values in 70 layers, 3.98 M weights.
QUICK_COEFFICIENTS, QUICK_DENSITY = 1996, 0.035
REFRESH = 10
ROUND_SECONDS = 0.03
MIB = 2**20
SHORTEST = 1e-6  # seconds: what the clock can tell


@dataclass(frozen=True)
class Shape:
    """A Linear, how many tokens go through it, and what the figures are to be."""

    out: int
    into: int
    tokens: int
    coefficients: int = SDXL_COEFFICIENTS
    density: float = DENSITY
    frozen_input: bool = False
    """cross-attention's keys and values: the text needs no gradient"""
    family: str = "db1"
    """WaveFT's wavelet"""
    most: float | None = None
    """WaveFT's time by the frozen layer's, torch alone"""
    most_compiled: float | None = None
    """the same with compiled kernels"""
    faster: float | None = None
    """PEFT's WaveFT's time by ours"""
    most_so: float | None = None
    """SO's time by the frozen layer's"""

    @property
    def rank(self) -> int:
        """The LoRA rank nearest in size."""
        return max(1, round(self.coefficients / (self.out + self.into)))

    @property
    def title(self) -> str:
        """The shape in words."""
        family = "" if self.family == "db1" else f", {self.family}"
        text = f"{self.out}x{self.into}, {self.tokens} tokens{family}"
        return text + (", no gradient of x" if self.frozen_input else "")


SHAPES = (
    Shape(640, 640, 4096, most=1.22, most_compiled=1.10),
    Shape(1280, 1280, 1024, most=1.12, most_compiled=1.06, faster=2.4),
    Shape(1280, 1280, 1024, family="db4", most=1.45, most_compiled=1.12),
    Shape(1280, 1280, 1024, family="sym4", most=1.45, most_compiled=1.12),
    Shape(1280, 1280, 256, most=1.22, most_compiled=1.10),
    Shape(1280, 2048, 77, most=1.22, most_compiled=1.10, faster=4.0),
    Shape(10240, 1280, 256, most=1.22, most_compiled=1.10, faster=4.0),
    Shape(768, 768, 1576, most=1.22, most_compiled=1.10, most_so=1.10),
    Shape(3072, 768, 788, most=1.22, most_compiled=1.10, most_so=1.10),
    Shape(1280, 2048, 77, frozen_input=True),
    # The built-in backbone's own, 6 pictures a step: attention, feed-forward, text keys.
    Shape(192, 192, 96, QUICK_COEFFICIENTS, QUICK_DENSITY),
    Shape(128, 128, 384, QUICK_COEFFICIENTS, QUICK_DENSITY),
    Shape(1024, 128, 384, QUICK_COEFFICIENTS, QUICK_DENSITY),
    Shape(192, 768, 96, QUICK_COEFFICIENTS, QUICK_DENSITY),
    Shape(192, 192, 144, QUICK_COEFFICIENTS, QUICK_DENSITY, frozen_input=True),
)


LONG = 1024  # tokens from which memory has a goal
MOST_PEAK, MOST_PEAK_COMPILED = 1.35, 1.05  # by the frozen layer's


def measure(
    rounds: int = 15, shapes: tuple[Shape, ...] = SHAPES, round_seconds: float = ROUND_SECONDS
) -> list[Figure]:
    """Times of every contestant by the frozen layer's, for each shape.

    Args:
        round_seconds: of the frozen layer in one round, by repeating calls that are shorter.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [figure for shape in shapes for figure in _figures(shape, rounds, round_seconds)]
    finally:
        torch.set_num_threads(before)


def _figures(shape: Shape, rounds: int, round_seconds: float) -> list[Figure]:
    calls = contestants(shape)
    once = statistics.median(interleaved({FROZEN: calls[FROZEN]}, 3, 1)[FROZEN])
    taken = interleaved(calls, rounds, max(1, round(round_seconds / max(once, SHORTEST))))

    def figure(name: str, goal: float | None = None) -> Figure | None:
        if name not in calls:
            return None
        text = f"{shape.title}: {name}" + (f" rank {shape.rank}" if name == LORA else "")
        return Figure(SUBJECT, text, ratio(taken, name, FROZEN), "x frozen", goal)

    faster = ratio(taken, PEFTS, OURS)
    text = f"{shape.title}: WaveFT against PEFT's"
    found = [
        figure(OURS, shape.most),
        figure(COMPILED, shape.most_compiled),
        figure(PEFTS),
        Figure(SUBJECT, text, faster, "x faster", shape.faster, at_least=True),
        figure(LORA),
        figure(SPARSE, shape.most_so),
        figure(SPARSE_COMPILED),
        figure(DENSE),
        *_memory(shape, calls),
    ]
    return [one for one in found if one is not None]


def _memory(shape: Shape, calls: Mapping[str, Callable[[], Tensor]]) -> list[Figure]:
    """What each way of WaveFT keeps beside the input, and its peak by the frozen layer's."""
    bare, long = peak_bytes(calls[FROZEN]), shape.tokens >= LONG
    found = []
    for name, goal in ((OURS, MOST_PEAK), (COMPILED, MOST_PEAK_COMPILED), (PEFTS, None)):
        if name in calls:
            text = f"{shape.title}: {name}"
            kept = kept_bytes(calls[name]) / MIB
            nothing = None if goal is None else 0.0
            found.append(Figure(SUBJECT, f"{text}, kept beside the input", kept, "MiB", nothing))
            peak = peak_bytes(calls[name]) / bare
            goal = goal if long else None
            found.append(Figure(SUBJECT, f"{text}, peak", peak, "x frozen", goal))
    return found


def contestants(shape: Shape) -> dict[str, Callable[[], Tensor]]:
    """One training step of each way, on the same numbers; a call returns the output."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape.tokens, shape.into, generator=generator)
    dy = torch.randn(shape.tokens, shape.out, generator=generator) / shape.out

    def linear() -> nn.Linear:
        torch.manual_seed(1)
        return nn.Linear(shape.into, shape.out).requires_grad_(False)

    def tuned(config: peft.PeftConfig) -> nn.Module:
        config.target_modules = ["0"]
        layer: nn.Module = peft.get_peft_model(nn.Sequential(linear()), config).base_model.model[0]
        return layer

    def step(
        layer: nn.Module, optimizer: torch.optim.Optimizer | None = None, kernels: bool = False
    ) -> Callable[[], Tensor]:
        own = x.clone().requires_grad_(not shape.frozen_input)
        changing = [param for name, param in layer.named_parameters() if "waveft_" in name]

        def call() -> Tensor:
            with compiled.switched(kernels):
                own.grad = None
                for param in changing:
                    param.data.neg_()
                y: Tensor = layer(own)
                if y.requires_grad:
                    y.backward(dy)  # type: ignore[no-untyped-call]
                if optimizer is not None:
                    optimizer.step()
                    optimizer.zero_grad()
                return y

        return call

    def sparse(kernels: bool) -> Callable[[], Tensor]:
        layer = linear().requires_grad_(True)
        layer.bias.requires_grad_(False)
        so = SO([layer.weight], lr=1e-4, density_ratio=shape.density, T=REFRESH)
        sampled_gradients(nn.Sequential(layer), so)
        return step(layer, so, kernels)

    dense = linear()
    dense.weight.requires_grad_(True)
    waveft: dict[str, Any] = {"n_frequency": shape.coefficients, "init_weights": False}
    waveft["wavelet_family"] = shape.family
    calls = {
        FROZEN: step(linear()),
        OURS: step(tuned(WaveFTConfig(**waveft))),
        PEFTS: step(tuned(peft.WaveFTConfig(**waveft))),
        LORA: step(tuned(peft.LoraConfig(r=shape.rank, lora_alpha=shape.rank))),
        SPARSE: sparse(kernels=False),
        DENSE: step(dense, torch.optim.AdamW([dense.weight], lr=1e-4, fused=True)),
    }
    if compiled.installed():
        calls[COMPILED] = step(tuned(WaveFTConfig(**waveft)), kernels=True)
        calls[SPARSE_COMPILED] = sparse(kernels=True)
    return calls
