"""One of two processes that train together; a script that `test_ranks.py` starts twice.

    python two_ranks.py RANK FOLDER

Writes to FOLDER what it found; ends by itself when the other process does not come.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

STEPS, ROWS, MICRO, PATIENCE = 20, 8, 2, timedelta(seconds=60)


class Net(nn.Module):
    """Linears, a convolution, a tied weight, and a layer that few batches use."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(3, 6, 3)
        self.first, self.second = nn.Linear(36, 20), nn.Linear(20, 36)
        self.rare = nn.Linear(20, 20)
        self.never = nn.Linear(4, 4)
        self.double()

    def forward(self, x: Tensor, rare: bool = False) -> Tensor:
        hidden = torch.tanh(self.first(self.conv(x).flatten(1)))
        hidden = self.rare(hidden) if rare else hidden
        return torch.tanh(self.second(hidden)) @ self.first.weight.T


def trained(rank: int | None, wrapped: bool) -> nn.Module:
    """After some steps on a half of each batch, or on all of it.

    Args:
        wrapped: SO tunes the weights, and AdamW, whose gradients DistributedDataParallel averages
            (or nobody needs to), the biases.
    """
    model: nn.Module = Net()
    biases = [param for name, param in model.named_parameters() if name.endswith("bias")]
    tuned = [p for p in model.parameters() if not wrapped or all(p is not b for b in biases)]
    so = SO(tuned, lr=1e-2, density_ratio=0.1, T=3, weight_decay=0.01)
    dense = torch.optim.AdamW(biases, lr=1e-3) if wrapped else None
    sampled_gradients(model, so, densest=1.0)
    runs = model
    if wrapped and rank is not None:
        runs = DistributedDataParallel(model, find_unused_parameters=True)
    generator = torch.Generator().manual_seed(1)
    for step in range(STEPS):
        for _ in range(MICRO):
            x = torch.randn(ROWS, 3, 8, generator=generator, dtype=torch.float64)
            x = x if rank is None else x[rank::2]
            (runs(x, rare=step % 5 == 0).square().mean() / MICRO).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        for optimizer in (so, dense):
            if optimizer is not None:
                optimizer.step()
        model.zero_grad()
    return model


def used_by_one(rank: int) -> list[float | None]:
    """Norms of the gradients where only the first process uses a layer, and none another."""
    model = Net()
    so = SO(model.parameters(), density_ratio=0.1)
    sampled_gradients(model, so, densest=1.0)
    model(torch.ones(2, 3, 8, dtype=torch.float64), rare=rank == 0).sum().backward()
    weights = (model.rare.weight, model.never.weight)
    return [None if w.grad is None else so.sampled[w].grad.norm().item() for w in weights]


def complaint(rank: int, wrong: str) -> str:
    """What is said where the processes, or a wrapper, would go wrong."""
    model = Net()
    if wrong == "weights" and rank == 1:
        nn.init.zeros_(model.second.weight)
    so = SO(model.parameters(), seed=rank if wrong == "seed" else 0)
    try:
        runs: nn.Module = model
        if wrong == "outside":
            sampled_gradients(DistributedDataParallel(model), so)
        elif wrong == "inside":
            runs = DistributedDataParallel(model)
            sampled_gradients(runs.module, so, densest=1.0)
        else:
            sampled_gradients(model, so, densest=1.0)
        if wrong == "all":
            runs = DistributedDataParallel(model)
        runs(torch.ones(2, 3, 8, dtype=torch.float64)).sum().backward()
    except (RuntimeError, ValueError) as error:
        return str(error)
    return "nothing"


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2,
        timeout=PATIENCE,
    )  # fmt: skip
    found = {
        "used_by_one": used_by_one(rank),
        "complaints": {
            wrong: complaint(rank, wrong)
            for wrong in ("seed", "weights", "outside", "inside", "all")
        },
    }
    for wrapped in (False, True):
        torch.save(trained(rank, wrapped).state_dict(), folder / f"{rank}-{wrapped}.pt")
    (folder / f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
