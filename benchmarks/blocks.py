"""Forward and backward pass of one transformer block of SDXL's UNet: frozen, and tuned.

The block is diffusers' own at width 1280 with 1024 tokens and 77 words, with random weights. As in
SDXL's published recipes the eight attention projections are tuned; all contestants run in turns in
one thread on the same numbers. WaveFT's coefficients change before every call.
"""

from collections.abc import Callable
from typing import Any

import peft
import torch
from torch import Tensor, nn

from benchmarks.figures import Figure, interleaved, ratio
from sparse_peft import WaveFTConfig
from sparse_peft.maths.kernels import compiled

SUBJECT = "blocks"
FROZEN, OURS, COMPILED = "frozen", "WaveFT, torch", "WaveFT, compiled"
PEFTS, LORA = "PEFT's WaveFT", "PEFT's LoRA rank 4"
WIDTH, TOKENS, HEAD, TEXT, WORDS = 1280, 1024, 64, 2048, 77
COEFFICIENTS, RANK = 2592, 4
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]
GOALS = {OURS: 1.04, COMPILED: 1.03}


def measure(rounds: int = 9, width: int = WIDTH, tokens: int = TOKENS) -> list[Figure]:
    """Times by the frozen block's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = interleaved(contestants(width, tokens), rounds, calls=1)
    finally:
        torch.set_num_threads(before)
    title = f"SDXL block {width}, {tokens} tokens"
    return [
        Figure(SUBJECT, f"{title}: {name}", ratio(taken, name, FROZEN), "x frozen", GOALS.get(name))
        for name in taken
        if name != FROZEN
    ]


def contestants(width: int, tokens: int) -> dict[str, Callable[[], Tensor]]:
    """One training step of each; a call returns the output."""
    from diffusers.models.attention import BasicTransformerBlock

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, tokens, width, generator=generator)
    text = torch.randn(1, WORDS, TEXT, generator=generator)
    dy = torch.randn(1, tokens, width, generator=generator) / width

    def block(config: peft.PeftConfig | None) -> nn.Module:
        torch.manual_seed(1)
        made: nn.Module = BasicTransformerBlock(
            width, width // HEAD, HEAD, cross_attention_dim=TEXT
        ).requires_grad_(False)
        if config is None:
            return made
        config.target_modules = TARGETS
        tuned: nn.Module = peft.inject_adapter_in_model(config, made)
        return tuned

    def step(config: peft.PeftConfig | None, kernels: bool = False) -> Callable[[], Tensor]:
        module, own = block(config), x.clone().requires_grad_()
        changing = [param for name, param in module.named_parameters() if "waveft_" in name]

        def call() -> Tensor:
            with compiled.switched(kernels):
                own.grad = None
                for param in changing:
                    param.data.neg_()
                y: Tensor = module(own, encoder_hidden_states=text)
                y.backward(dy)  # type: ignore[no-untyped-call]
                return y

        return call

    waveft: dict[str, Any] = {"n_frequency": COEFFICIENTS, "init_weights": False}
    calls = {FROZEN: step(None), OURS: step(WaveFTConfig(**waveft))}
    if compiled.installed():
        calls[COMPILED] = step(WaveFTConfig(**waveft), kernels=True)
    calls[PEFTS] = step(peft.WaveFTConfig(**waveft))
    calls[LORA] = step(peft.LoraConfig(r=RANK, lora_alpha=RANK))
    return calls
