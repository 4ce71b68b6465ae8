"""What makes two pictures show the same subject: a linear head on the judge's picture tower.

CLIP's own features answer which class and which place; two characters of one class in one place
are alike to them. The head is trained to find the same character in another place among others.
Ruiz et al. 2023, arXiv:2208.12242, section 4.1, prefer DINO to CLIP for the same reason.
"""

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft.backbones.judge import subject_tokens

from . import objects, places, scenes, words
from .training import pixels

CHARACTERS, WIDTH, TEMPERATURE = 3_000, 64, 0.07
STEPS, BATCH, LR = 1_500, 256, 1e-3
SEED = 51


def train(work: Path) -> Tensor:
    """The head, [64, features], kept in the work folder."""
    path = work / "subject_head.pt"
    if path.exists():
        return torch.load(path, weights_only=True)["head"]
    started = time.monotonic()
    judge = words.trained_clip(work, "judge").eval()
    first, second = (_features(judge, view) for view in _views())
    print(f"subject head: features after {time.monotonic() - started:.0f} s", flush=True)
    torch.manual_seed(SEED)
    head = nn.Linear(first.shape[1], WIDTH, bias=False)
    optimizer = torch.optim.AdamW(head.parameters(), lr=LR, weight_decay=1e-2)
    kept = len(first) * 9 // 10
    for step in range(STEPS):
        source = torch.Generator().manual_seed(SEED + step)
        rows = torch.randperm(kept, generator=source)[:BATCH]
        loss = _loss(head(first[rows]), head(second[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        a, b = (F.normalize(head(x[kept:]), dim=1) for x in (first, second))
        found = ((a @ b.T).argmax(1) == torch.arange(len(a))).float().mean()
    print(f"subject head: {found:.3f} of {len(a)} new characters found again", flush=True)
    torch.save({"head": head.weight.detach()}, path)
    return head.weight.detach()


def _loss(a: Tensor, b: Tensor) -> Tensor:
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    logits = a @ b.T / TEMPERATURE
    here = torch.arange(len(a))
    return (F.cross_entropy(logits, here) + F.cross_entropy(logits.T, here)) / 2


def _views() -> tuple[Tensor, Tensor]:
    """Each character twice, in two places; some pictures soft, as a generator draws them."""
    views: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    where = list(places.PLACES.values())
    for number in range(CHARACTERS):
        rng = np.random.default_rng((SEED, number))
        character = _character(rng)
        for view, place in zip(views, rng.permutation(len(where))[:2], strict=True):
            view.append(np.asarray(scenes.composite(character, where[place](rng), rng)))
    sharp = [pixels(np.stack(view), torch.device("cpu")) for view in views]
    for view in sharp:
        soft = F.interpolate(F.avg_pool2d(view[::2], 2), scale_factor=2, mode="bilinear")
        view[::2] = soft
    return sharp[0], sharp[1]


def _character(rng: np.random.Generator) -> Image.Image:
    """A sprite of one or two free colours, some with a pattern."""
    known = objects.KNOWN + objects.HELD_OUT + objects.EXTRA
    base = objects.sprite(known[int(rng.integers(len(known)))])
    kind = rng.random()
    if kind < 0.2:
        return base
    colours = [tuple(int(c) for c in rng.integers(20, 250, 3)) for _ in range(2)]
    picture = objects.tinted(base, colours[0])
    if kind < 0.45:
        half = objects.tinted(base, colours[1])
        box = (64, 0, 128, 128) if rng.random() < 0.5 else (0, 64, 128, 128)
        picture.paste(half.crop(box), box[:2])
    elif kind < 0.65:
        pattern = objects.PATTERNS[int(rng.integers(2))]
        picture = objects.patterned(picture, pattern, colours[1], rng)
    return picture


@torch.no_grad()
def _features(judge: nn.Module, pictures: Tensor) -> Tensor:
    return torch.cat([subject_tokens(judge.visual, part) for part in pictures.split(100)])
