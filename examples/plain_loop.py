"""WaveFT and SO in a plain PyTorch loop, three lines each.

    python -m examples.plain_loop

A small network has learned a sine; each method teaches it a cosine. For each it prints the values
that were trained and the error before and after.
"""

import copy
import math

import torch
from peft import get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft import SO, WaveFTConfig, sampled_gradients

STEPS = 120


def train(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    """The usual loop, and the error after it."""
    for _ in range(STEPS):
        F.mse_loss(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    return F.mse_loss(model(x), y).item()


def with_waveft(model: nn.Module, x: Tensor, y: Tensor) -> tuple[int, float]:
    """An adapter: the network is frozen, some wavelet coefficients of its weights are trained."""
    adapted = get_peft_model(model, WaveFTConfig(n_frequency=64, target_modules=["0", "2", "4"]))
    optimizer = torch.optim.AdamW(adapted.parameters(), lr=1e-2)
    error = train(adapted, optimizer, x, y)
    return adapted.get_nb_trainable_parameters()[0], error


def with_so(model: nn.Module, x: Tensor, y: Tensor) -> tuple[int, float]:
    """An optimizer: the weights themselves are trained, a few at a time."""
    # At 1 % and below, the dense gradient of the middle layer is never computed.
    so = SO(model.parameters(), lr=3e-2, density_ratio=0.008, T=20)
    sampled_gradients(model, so)
    error = train(model, so, x, y)
    return sum(entries.numel() for entries in so.sampled.values()), error


def main() -> None:
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 256)[:, None]
    sine, cosine = torch.sin(math.pi * x), torch.cos(math.pi * x)
    base = nn.Sequential(
        nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
    )
    learned = train(base, torch.optim.Adam(base.parameters(), lr=1e-2), x, sine)
    print(
        f"base    error of the sine {learned:.4f}, of the cosine {F.mse_loss(base(x), cosine):.4f}"
    )
    for label, method in {"WaveFT": with_waveft, "SO": with_so}.items():
        count, error = method(copy.deepcopy(base), x, cosine)
        print(f"{label:7} {count:4} values trained at a time, error of the cosine {error:.4f}")


if __name__ == "__main__":
    main()
