"""A small CLIP, trained on scenes and captions that name some of what they show."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import objects, places, words
from .pool import load_pool
from .scenes import Scene, caption
from .training import Training, generator, pixels

BATCH = 96
NAMED = {
    "colour": 0.7,
    "pattern": 0.8,
    "accessory": 0.8,
    "place": 0.5,
}  # how often a caption says it


def partly(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene without what its caption leaves unsaid."""
    said = {key: getattr(scene, key) if rng.random() < p else None for key, p in NAMED.items()}
    return Scene(scene.noun, scene.character, **said)


def matches(shown: list[Scene], said: list[Scene]) -> Tensor:
    """Which captions are true of which pictures, N x N: true captions are never negatives."""

    def true(a: Scene, b: Scene) -> bool:
        keys = ("noun", *NAMED)
        return all(getattr(b, k) in (None, getattr(a, k)) for k in keys)

    return torch.tensor([[true(a, b) for b in said] for a in shown])


def contrast(image: Tensor, text: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy both ways against all true pairs of the batch."""
    logits = scale * image @ text.T
    rows = true / true.sum(1, keepdim=True)
    columns = true / true.sum(0, keepdim=True)
    loss = F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, columns.T)
    return loss / 2


def _moved(batch: Tensor, noise: torch.Generator) -> Tensor:
    """Shift each picture by up to 4 pixels and change its brightness a little."""
    n = len(batch)
    padded = F.pad(batch, (4, 4, 4, 4), mode="replicate")
    shift = torch.randint(0, 9, (n, 2), generator=noise)
    cut = [p[:, y : y + 64, x : x + 64] for p, (y, x) in zip(padded, shift.tolist(), strict=True)]
    light = 1 + 0.2 * (torch.rand(n, 1, 1, 1, generator=noise) - 0.5)
    return torch.stack(cut) * light.to(batch.device)


def train(folder: Path, name: str, total: int, device: torch.device) -> None:
    """Train a CLIP under `name` (`clip` conditions the UNet, `judge` measures)."""
    seed = words.SEED[name]
    tokenize = words.for_open_clip(words.folder_of(folder, name))
    pictures, shown = load_pool(folder, "known")
    model = words.random_clip(name).to(device)
    training = Training(name, folder, model, 1e-3, total, 0.998)
    started = time.monotonic()
    for step in training.steps(100):
        rng = np.random.default_rng((seed, step))
        rows = rng.integers(0, len(shown), BATCH)
        said = [partly(shown[i], rng) for i in rows]
        text = tokenize([caption(s, rng) for s in said]).to(device)
        batch = _moved(
            pixels(pictures[np.sort(rows)][np.argsort(np.argsort(rows))], device),
            generator(seed, step),
        )
        with torch.autocast(device.type, torch.bfloat16):
            image, words_, scale = model(batch, text)
        true = matches([shown[i] for i in rows], said).to(device).float()
        loss = contrast(image.float(), words_.float(), true, scale.float())
        training.descend(loss)
        with torch.no_grad():
            model.logit_scale.clamp_(max=np.log(100))
        if step % 50 == 0:
            right = quality(folder, name, training.average.module, device)
            print(
                f"{name} {step}/{total} loss {loss.item():.3f} "
                + " ".join(f"{k} {v:.3f}" for k, v in right.items())
                + f" {time.monotonic() - started:.0f} s",
                flush=True,
            )


@torch.no_grad()
def quality(
    folder: Path, name: str, model: torch.nn.Module, device: torch.device, count: int = 300
) -> dict[str, float]:
    """Zero-shot accuracy on fresh scenes, for the object and for the place."""
    tokenize = words.for_open_clip(words.folder_of(folder, name))
    pictures, shown = load_pool(folder, "fresh")
    image = model.encode_image(pixels(pictures[:count], device), normalize=True)
    nouns = [objects.noun(c) for c in objects.KNOWN]
    result = {}
    for key, names in (("noun", nouns), ("place", list(places.PLACES))):
        texts = [f"a {n}" if key == "noun" else f"a thing {n}" for n in names]
        guess = (image @ model.encode_text(tokenize(texts).to(device), normalize=True).T).argmax(1)
        truth = [getattr(s, key) for s in shown[:count]]
        kept = [(names[g], t) for g, t in zip(guess.tolist(), truth, strict=True) if t is not None]
        result[key] = sum(g == t for g, t in kept) / len(kept)
    return result
