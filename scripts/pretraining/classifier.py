"""A classifier of objects and places that saw drawn scenes only: it measures the UNet."""

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import objects, places
from .pool import load_pool
from .training import Training, pixels

STEPS, BATCH = 1500, 48


class Classifier(nn.Module):
    """Two answers from one small convolutional network: which object, which place."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, 2, 1),
                nn.GroupNorm(8, after),
                nn.GELU(),
                nn.Conv2d(after, after, 3, 1, 1),
                nn.GroupNorm(8, after),
                nn.GELU(),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.noun = nn.Linear(128 * 16, len(objects.KNOWN))
        self.place = nn.Linear(128 * 16, len(places.PLACES))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the object and of the place."""
        features = self.body(pictures)
        return self.noun(features), self.place(features)


def trained(work: Path) -> Classifier:
    """The classifier, trained at the first call and kept in the work folder."""
    torch.manual_seed(41)
    classifier = Classifier()
    rows, shown = load_pool(work, "known")
    nouns = [objects.noun(c) for c in objects.KNOWN]
    where = {place: i for i, place in enumerate(places.PLACES)}
    noun_of = torch.tensor([nouns.index(s.noun) for s in shown])
    place_of = torch.tensor([where.get(s.place or "", -100) for s in shown])  # -100: not counted
    training = Training("classifier", work, classifier, 2e-3, STEPS, 0.99)
    for step in training.steps(STEPS):
        rng = np.random.default_rng((41, step))
        chosen = np.sort(rng.integers(0, len(shown), BATCH))
        batch = pixels(rows[chosen], torch.device("cpu"))
        # Soft and noisy like a generator's pictures, so that sharpness alone decides nothing.
        if step % 2:
            batch = F.interpolate(F.avg_pool2d(batch, 2), scale_factor=2, mode="bilinear")
        batch = batch + 0.1 * torch.from_numpy(rng.standard_normal(batch.shape, np.float32))
        noun, place = classifier(batch)
        loss = F.cross_entropy(noun, noun_of[chosen])
        training.descend(loss + F.cross_entropy(place, place_of[chosen]))
    result = training.average.module
    assert isinstance(result, Classifier)
    return result
