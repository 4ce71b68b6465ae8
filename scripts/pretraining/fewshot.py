"""The CLIP of the few-shot task: it names many things, and shows how methods teach it new ones."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import objects, places, words
from .clip import NAMED, contrast, partly
from .pool import load_pool
from .scenes import Scene, caption
from .training import Training, generator, pixels

NAME = "fewshot"
BATCH = 192
RATE = 1.2e-3
OBJECT_ALONE = 0.5  # share of captions that say what it is and nothing else


def train(folder: Path, total: int, device: torch.device) -> None:
    """Train it on the pool of a work folder whose concepts are `objects.MANY`."""
    tokenize = words.for_open_clip(words.folder_of(folder, NAME))
    pictures, shown = load_pool(folder, "known")
    training = Training(NAME, folder, words.random_clip(NAME).to(device), RATE, total, 0.998)
    started = time.monotonic()
    for step in training.steps(100):
        rng = np.random.default_rng((words.SEED[NAME], step))
        rows = np.sort(rng.integers(0, len(shown), BATCH))
        said = [_said(shown[i], rng) for i in rows]
        text = tokenize([caption(scene, rng) for scene in said]).to(device)
        batch = _moved(pixels(pictures[rows], device), generator(words.SEED[NAME], step))
        with torch.autocast(device.type, torch.bfloat16):
            image, text_features, scale = training.module(batch, text)
        true = _matches([shown[i] for i in rows], said).to(device)
        training.descend(contrast(image.float(), text_features.float(), true, scale.float()))
        with torch.no_grad():
            training.module.logit_scale.clamp_(max=np.log(100))
        if step % 100 == 0:
            right = quality(folder, training.average.module, device)
            spent = time.monotonic() - started
            print(f"{NAME} {step}/{total} top-1 {right:.3f} {spent:.0f} s", flush=True)


def taught() -> Iterator[str]:
    """Texts that hold every word of its captions."""
    yield "a an photo of wearing"
    yield from (objects.noun(character) for character in objects.KNOWN)
    yield from (*objects.COLOURS, *objects.PATTERNS, *objects.ACCESSORIES, *places.PLACES)


def _said(scene: Scene, rng: np.random.Generator) -> Scene:
    return Scene(scene.noun, scene.character) if rng.random() < OBJECT_ALONE else partly(scene, rng)


def _matches(shown: list[Scene], said: list[Scene]) -> Tensor:
    """Which captions are true of which pictures, N x N: true captions are never negatives."""
    true = np.ones((len(shown), len(said)), dtype=bool)
    for key in ("noun", *NAMED):
        a = np.array([getattr(scene, key) or "" for scene in shown])
        b = np.array([getattr(scene, key) or "" for scene in said])
        true &= (a[:, None] == b[None]) | (b[None] == "")
    return torch.from_numpy(true.astype(np.float32))


def _moved(batch: Tensor, noise: torch.Generator) -> Tensor:
    """A random part of each picture, perhaps mirrored, a little lighter or darker."""
    n, side = len(batch), words.VISION_FEWSHOT["image_size"]
    shift = torch.randint(0, batch.shape[-1] - side + 1, (n, 2), generator=noise).tolist()
    cut = [
        picture[:, y : y + side, x : x + side] for picture, (y, x) in zip(batch, shift, strict=True)
    ]
    mirrored = torch.rand(n, generator=noise) < 0.5
    light = 1 + 0.2 * (torch.rand(n, 1, 1, 1, generator=noise) - 0.5)
    moved = torch.stack(cut)
    moved[mirrored] = moved[mirrored].flip(-1)
    return moved * light.to(batch.device)


@torch.no_grad()
def quality(folder: Path, model: torch.nn.Module, device: torch.device) -> float:
    """Zero-shot accuracy among all that it learns to name, on scenes it was not trained on."""
    tokenize = words.for_open_clip(words.folder_of(folder, NAME))
    pictures, shown = load_pool(folder, "fresh")
    side = words.VISION_FEWSHOT["image_size"]
    batch = F.interpolate(pixels(pictures[:], device), (side, side), mode="bicubic", antialias=True)
    image = model.encode_image(batch.clamp(-1, 1), normalize=True)
    nouns = [objects.noun(character) for character in objects.KNOWN]
    texts = model.encode_text(tokenize([f"a {noun}" for noun in nouns]).to(device), normalize=True)
    guess = (image @ texts.T).argmax(1).tolist()
    return float(np.mean([nouns[g] == scene.noun for g, scene in zip(guess, shown, strict=True)]))
