"""A whole training step of the built-in backbone at preset quick's budget, each method in turns.

Forward and backward pass in bfloat16, clipping and optimizer step, 4 pictures and 2 of the class.
SO is also taken on dense gradients: above some density they cost less than sampled ones.
"""

from collections.abc import Callable

import torch

from benchmarks.figures import Figure, interleaved, ratio
from sparse_peft import SO
from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Plan
from sparse_peft.methods.so import SO as SparseOptimization
from sparse_peft.planning import lora_rank_one
from sparse_peft.presets import preset
from sparse_peft.tuners.targets import weight_of

SUBJECT = "steps"
METHODS = ("lora", "waveft", "so")
DENSE = "SO on dense gradients"
PLAN = Plan(steps=200, seed=0)
LR = 1e-4
PICTURES, TOKENS, WIDTH = 6, 24, 192


def measure(rounds: int = 12) -> list[Figure]:
    """Step times by LoRA's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = interleaved(contestants(), rounds, calls=1)
    finally:
        torch.set_num_threads(before)
    base, *others = taken
    return [Figure(SUBJECT, name, ratio(taken, name, base), f"x {base}") for name in others]


def contestants() -> dict[str, Callable[[], None]]:
    """One training step of each, on a backbone of its own and the same numbers."""
    found = source.resolve("builtin")
    recipe = preset("quick", "dreambooth", "builtin")
    shapes = source.shapes(found, recipe.shared.targets)
    budget = round(recipe.lora_ranks * lora_rank_one(shapes))
    calls = {}
    for name in METHODS:
        chosen = method_named(name)().fit(budget, shapes)
        backbone = diffusion.load(found, torch.device("cpu"), with_text=False)
        attachment = chosen.attach(backbone.components, list(shapes), PLAN)
        calls[chosen.label] = _step(backbone, attachment.optimizer(LR), attachment.clip)
    backbone = diffusion.load(found, torch.device("cpu"), with_text=False)
    weights = [weight_of(backbone.components, name).requires_grad_(True) for name in shapes]
    chosen_so = SparseOptimization().fit(budget, shapes)
    dense = SO(weights, lr=LR, density_ratio=chosen_so.density, T=chosen_so.T)
    calls[DENSE] = _step(backbone, dense, lambda norm: _clip(weights, norm))
    return calls


def _clip(weights: list[torch.Tensor], norm: float) -> None:
    torch.nn.utils.clip_grad_norm_(weights, norm)


def _step(
    backbone: diffusion.Diffusion,
    optimizer: torch.optim.Optimizer,
    clip: Callable[[float], None],
) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(PICTURES, 4, 16, 16, generator=generator)
    words = {"text": torch.randn(PICTURES, TOKENS, WIDTH, generator=generator)}
    times = torch.randint(0, 1000, (PICTURES,), generator=generator)

    def call() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = backbone.predict(latents, times, words).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        clip(1.0)
        optimizer.step()
        optimizer.zero_grad()

    return call
