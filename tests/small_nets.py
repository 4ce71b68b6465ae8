"""A small network with every kind of weight, and what trains it."""

import torch
from torch import Tensor, nn


def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Linear, convolution, embedding, norm: 1 to 4 dimensions and a scalar."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Embedding(30, 12),
            nn.Linear(12, 16),
            nn.LayerNorm(16),
            nn.Tanh(),
            nn.Unflatten(1, (4, 2, 2)),
            nn.Conv2d(4, 6, 2, padding=1),
            nn.Flatten(),
            nn.Linear(54, 3),
        )
        model.register_parameter("scalar", nn.Parameter(torch.tensor(1.0)))
    return model.to(dtype)


def batches(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(30, (8,), generator=generator) for _ in range(count)]


def loss(model: nn.Module, batch: Tensor) -> Tensor:
    return (model.scalar * model(batch)).square().sum()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, rows: list[Tensor]) -> None:
    for batch in rows:
        optimizer.zero_grad()
        loss(model, batch).backward()
        optimizer.step()


def difference(left: nn.Module, right: nn.Module) -> float:
    pairs = zip(left.parameters(), right.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)
