"""One optimizer step of SO at CLIP ViT-B/16's shapes, and what it really holds.

The 96 attention and MLP matrices of both encoders, 122.7 of 149.6 million weights: what SO's
published presets tune. Each round takes 10 steps of each, so supports are drawn in every round.
"""

import gc
from collections.abc import Collection
from types import FunctionType, ModuleType

import torch
from torch import Tensor

from benchmarks.figures import Figure, interleaved, ratio
from benchmarks.published_so import PublishedSO
from sparse_peft import SO
from sparse_peft.tuners.so.gradient_view import GradientView

SUBJECT = "so_step"
ADAM, PEER = "AdamW fused", "published structure"
STEPS = 10
MIB = 2**20
MOST_RATIO, MOST_MIB, MOST_BYTES = 0.22, 1.0, 17.0

Sizes = tuple[tuple[int, int], ...]


def vit_b_16() -> Sizes:
    """The weights of each block's packed q, k, v, of its output, and of its two MLP layers."""
    encoders = (768, 512)  # picture, text; 12 blocks each
    return tuple(
        pair
        for width in encoders
        for _ in range(12)
        for pair in ((3 * width, width), (width, width), (4 * width, width), (width, 4 * width))
    )


PUBLISHED = "density 5e-4, T 10"
SETTINGS = {PUBLISHED: (5e-4, 10), "density 5e-5, T 5": (5e-5, 5)}


def measure(rounds: int = 7, sizes: Sizes | None = None) -> list[Figure]:
    """Step times by AdamW's, and bytes held between steps."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _figures(rounds, sizes or vit_b_16())
    finally:
        torch.set_num_threads(before)


def _figures(rounds: int, sizes: Sizes) -> list[Figure]:
    weights = [torch.zeros(size, requires_grad=True) for size in sizes]
    for weight in weights:
        weight.grad = torch.full_like(weight, 1e-3)
    optimizers: dict[str, torch.optim.Optimizer] = {
        ADAM: torch.optim.AdamW(weights, lr=1e-6, fused=True)
    }
    for name, (density, refresh) in SETTINGS.items():
        optimizers[name] = SO(weights, lr=1e-6, density_ratio=density, T=refresh)
    density, refresh = SETTINGS[PUBLISHED]
    optimizers[PEER] = PublishedSO(weights, lr=1e-6, density_ratio=density, T=refresh)
    taken = interleaved({n: o.step for n, o in optimizers.items()}, rounds, STEPS)
    figures = []
    for name in (*SETTINGS, PEER):
        value, goal = ratio(taken, name, ADAM), None if name == PEER else MOST_RATIO
        figures.append(Figure(SUBJECT, f"{_named(name)}: step", value, f"x {ADAM}", goal))
    for name, optimizer in optimizers.items():
        held, goal = held_bytes(optimizer), MOST_MIB if name in SETTINGS else None
        figures.append(Figure(SUBJECT, f"{_named(name)}: held", held / MIB, "MiB", goal))
        if isinstance(optimizer, SO):
            kept = sum(optimizer.state[w]["index"].numel() for w in weights)
            text = f"{name}: held for a kept entry"
            figures.append(Figure(SUBJECT, text, held / kept, "bytes", MOST_BYTES))
    return figures


def _named(name: str) -> str:
    return f"{PEER}, {PUBLISHED}" if name == PEER else name


def held_bytes(optimizer: torch.optim.Optimizer, model: Collection[Tensor] = ()) -> int:
    """Bytes of all memory that only an optimizer's existence keeps, whole storages counted.

    Everything that can be reached from it, but for the tensors it tunes, their dense gradients, and
    those of the model.
    """
    tuned = [param for group in optimizer.param_groups for param in group["params"]]
    others = {t.untyped_storage().data_ptr() for t in (*tuned, *model)}
    seen: set[int] = {id(one) for t in (*tuned, *model) for one in (t, t.grad)}
    storages: dict[int, int] = {}
    waiting: list[object] = [optimizer]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType):
            continue
        seen.add(id(one))
        if isinstance(one, FunctionType):
            waiting += one.__closure__ or ()  # not the module it was written in
            continue
        if isinstance(one, Tensor) and not isinstance(one, GradientView):
            storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
            waiting.append(one.grad)
        waiting += gc.get_referents(one)
    return sum(size for place, size in storages.items() if place not in others)
