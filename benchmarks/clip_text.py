"""The text side of a CLIP at prompts cut after their last end token, against its whole context.

ViT-B/16's shapes with random weights and LoRA of rank 2 on queries, keys and values, as CLIP-LoRA
tunes it: a forward and a backward pass over the prompts of some classes. ImageNet's longest prompt
has 18 tokens; the features are the same either way.
"""

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from benchmarks.figures import Figure, interleaved, ratio
from sparse_peft.backbones import source
from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import text as clip_text
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan

SUBJECT = "clip_text"
BACKBONE = "ViT-B-16/random"
LONGEST = 18  # tokens, of ImageNet's prompts
CLASSES = 8
LEAST = 2.5


def measure(rounds: int = 7, backbone: str = BACKBONE) -> list[Figure]:
    """How many times faster the cut prompts are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        calls = contestants(backbone)
        taken = interleaved(calls, rounds, calls=1)
    finally:
        torch.set_num_threads(before)
    whole, short = calls
    value = ratio(taken, whole, short)
    text = f"{short} against {whole}, forward and backward"
    return [Figure(SUBJECT, text, value, "x faster", LEAST, at_least=True)]


def contestants(backbone: str = BACKBONE) -> dict[str, Callable[[], Tensor]]:
    """One pass over whole and over cut prompts, by their lengths; a call returns the features."""
    found = source.resolve(backbone, "fewshot")
    model = clip.load(found, torch.device("cpu"), "qkv:text")
    targets = list(source.shapes(found, "qkv:text"))
    LoRA(rank=2).attach(model.components, targets, Plan(steps=1, seed=0))
    text = model.components["text"]
    whole = prompts(text.context_length, text.vocab_size)
    short = clip_text.cut(text, whole)
    return {f"{rows.shape[1]} tokens": _pass(model, rows) for rows in (whole, short)}


def prompts(context: int, words: int) -> Int[Tensor, "K T"]:
    """Made-up prompts of at most 18 tokens, the last of which is the end token: the last word."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(CLASSES, context, dtype=torch.int64)
    for row in range(CLASSES):
        length = LONGEST - row  # so that one is as long as the longest
        tokens[row, :length] = torch.randint(1, words - 1, (length,), generator=generator)
        tokens[row, length - 1] = words - 1
    return tokens


def _pass(model: clip.Clip, tokens: Int[Tensor, "K T"]) -> Callable[[], Tensor]:
    def call() -> Tensor:
        features = model.texts(tokens)
        features.sum().backward()  # type: ignore[no-untyped-call]
        return features.detach()

    return call
