"""One optimizer step of SO at CLIP ViT-B/16's shapes, and what it remembers.

The 96 attention and MLP matrices of both encoders, 122.7 of 149.6 million weights: what SO's
published presets tune. Each round takes 10 steps of each, so supports are drawn in every round.
"""

import torch
from torch import Tensor

from benchmarks.figures import Figure, interleaved, ratio
from sparse_peft import SO

SUBJECT = "so_step"
ADAM = "AdamW fused"
STEPS = 10
MIB = 2**20
MOST_RATIO, MOST_MIB, MOST_BYTES = 0.25, 1.0, 17.0

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


SETTINGS = {"density 5e-4, T 10": (5e-4, 10), "density 5e-5, T 5": (5e-5, 5)}


def measure(rounds: int = 7, sizes: Sizes | None = None) -> list[Figure]:
    """Step times by AdamW's, and bytes of state."""
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
    taken = interleaved({n: o.step for n, o in optimizers.items()}, rounds, STEPS)
    figures = []
    for name in SETTINGS:
        value = ratio(taken, name, ADAM)
        figures.append(Figure(SUBJECT, f"{name}: step", value, f"x {ADAM}", MOST_RATIO))
    for name, optimizer in optimizers.items():
        held = state_bytes(optimizer)
        goal = None if name == ADAM else MOST_MIB
        figures.append(Figure(SUBJECT, f"{name}: state", held / MIB, "MiB", goal))
        if isinstance(optimizer, SO):
            kept = sum(optimizer.state[w]["index"].numel() for w in weights)
            text = f"{name}: state of a kept entry"
            figures.append(Figure(SUBJECT, text, held / kept, "bytes", MOST_BYTES))
    return figures


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of all tensors that an optimizer keeps between steps."""
    tensors = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
