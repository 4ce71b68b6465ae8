"""A whole training step over transformer blocks of ViT-B/16: frozen, SO, and what is not sparse.

Three blocks, 4 pictures of 197 tokens; the four matrices of each block are tuned, 21.2 million
weights. A step is the forward pass, the backward pass down to the blocks' input, and the
optimizer's step; the frozen blocks have the first two. Each round takes T steps, so SO draws its
supports in every round.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.figures import Figure, interleaved, ratio
from benchmarks.published_so import PublishedSO
from benchmarks.so_step import MIB, held_bytes
from sparse_peft import SO, sampled_gradients

SUBJECT = "so_blocks"
FROZEN, OURS = "frozen", "SO, sampled gradients"
DENSE, PEER = "dense gradients, AdamW fused", "published structure of SO"
BLOCKS, WIDTH, HEADS, PICTURES, TOKENS = 3, 768, 12, 4, 197
DENSITY, REFRESH = 5e-4, 10
MOST_RATIO = 1.15
LR = 1e-6  # the numbers stay what they are, and so does the time


class Block(nn.Module):
    """Attention and MLP, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape: pictures, tokens, features."""
        pictures, tokens, width = x.shape
        packed = self.qkv(self.norms[0](x))
        q, k, v = packed.view(pictures, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        x = x + self.out(seen.reshape(pictures, tokens, width))
        result: Tensor = x + self.down(F.gelu(self.up(self.norms[1](x))))
        return result


def measure(
    rounds: int = 7,
    width: int = WIDTH,
    heads: int = HEADS,
    tokens: int = TOKENS,
    density: float = DENSITY,
) -> list[Figure]:
    """Times of whole steps by that of the frozen blocks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        calls, so, ours = contestants(width, heads, tokens, density)
        taken = interleaved(calls, rounds, REFRESH)
    finally:
        torch.set_num_threads(before)
    figures = [
        Figure(SUBJECT, name, ratio(taken, name, FROZEN), f"x {FROZEN}", goal)
        for name, goal in ((OURS, MOST_RATIO), (DENSE, None), (PEER, None))
    ]
    held = held_bytes(so, model=list(ours.parameters()))
    return [*figures, Figure(SUBJECT, f"{OURS}: held between steps", held / MIB, "MiB")]


def contestants(
    width: int, heads: int, tokens: int, density: float
) -> tuple[dict[str, Callable[[], Tensor]], SO, nn.Module]:
    """One training step of each way, on the same numbers; a call returns the output."""
    torch.manual_seed(0)
    base = nn.Sequential(*(Block(width, heads) for _ in range(BLOCKS))).requires_grad_(False)
    x = torch.randn(PICTURES, tokens, width)
    dy = torch.randn(PICTURES, tokens, width) / width

    def step(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> Callable[[], Tensor]:
        own = x.clone().requires_grad_()

        def call() -> Tensor:
            own.grad = None
            y: Tensor = model(own)
            y.backward(dy)  # type: ignore[no-untyped-call]
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
            return y

        return call

    def tuned() -> tuple[nn.Module, list[Tensor]]:
        model = copy.deepcopy(base)
        weights = [m.weight.requires_grad_() for m in model.modules() if isinstance(m, nn.Linear)]
        return model, weights

    (ours, weights), (dense, dense_weights), (peer, peer_weights) = tuned(), tuned(), tuned()
    so = SO(weights, lr=LR, density_ratio=density, T=REFRESH)
    sampled_gradients(ours, so)
    calls = {
        FROZEN: step(base, None),
        OURS: step(ours, so),
        DENSE: step(dense, torch.optim.AdamW(dense_weights, lr=LR, weight_decay=0, fused=True)),
        PEER: step(peer, PublishedSO(peer_weights, lr=LR, density_ratio=density, T=REFRESH)),
    }
    return calls, so, ours
