"""Metrics of generated pictures from a judge's features: per sample first, then four anchors.

Features are unit-norm rows: similarities are plain dot products, in [-1, 1].
P prompts, S seeds, N pictures, D features.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sparse_peft.metrics.intervals import Interval

SEEDS_FOR_DIVERSITY = 3  # two pictures give one distance: no idea of a spread


class Anchor(NamedTuple):
    """The raw values that a page shows as 0 and as 100; None where nothing can be put there."""

    zero: float | None
    hundred: float | None
    usable: bool


def subject_fidelity(
    samples: Float[np.ndarray, "... D"], pictures: Float[np.ndarray, "N D"]
) -> Float[np.ndarray, "..."]:
    """Mean cosine of each sample to the person's pictures.

    Source: CLIP-I and DINO of Ruiz et al. 2023, arXiv:2208.12242, section 4.1, kept per sample.
    """
    return np.asarray(_wide(samples) @ _wide(pictures).mean(axis=0))


def prompt_fidelity(
    samples: Float[np.ndarray, "P S D"], prompts: Float[np.ndarray, "P D"]
) -> Float[np.ndarray, "P S"]:
    """Cosine of each sample to the text feature of its own prompt.

    Source: CLIP-T of Ruiz et al. 2023, arXiv:2208.12242, section 4.1, kept per sample.
    """
    return np.asarray(np.einsum("psd,pd->ps", _wide(samples), _wide(prompts)))


def diversity(samples: Float[np.ndarray, "P S D"]) -> Float[np.ndarray, " P"] | None:
    """Mean pairwise 1 - cosine within each prompt; None with fewer than 3 seeds."""
    seeds = samples.shape[1]
    if seeds < SEEDS_FOR_DIVERSITY:
        return None
    first, second = np.triu_indices(seeds, 1)
    cosines = np.einsum("psd,psd->ps", _wide(samples)[:, first], _wide(samples)[:, second])
    return np.asarray(1.0 - cosines.mean(axis=1))


def change_from_base(
    samples: Float[np.ndarray, "... D"], base: Float[np.ndarray, "... D"]
) -> Float[np.ndarray, "..."]:
    """1 - cosine of each sample to the base's picture of the same prompt and seed.

    On the class prompt this is the drift: how much an ordinary dog changed.
    """
    return np.asarray(1.0 - np.einsum("...d,...d->...", _wide(samples), _wide(base)))


def subject_anchor(
    pictures: Float[np.ndarray, "N D"], base_scores: Float[np.ndarray, "P S"], base: Interval
) -> Anchor:
    """0 = the base's pictures, 100 = the person's pictures to each other, each left out once."""
    count = len(pictures)
    hundred = None
    if count > 1:
        cosines = _wide(pictures) @ _wide(pictures).T
        hundred = float((cosines.sum() - np.trace(cosines)) / (count * (count - 1)))
    return _anchor(float(base_scores.mean()), hundred, base)


def prompt_anchor(
    base_samples: Float[np.ndarray, "P S D"], prompts: Float[np.ndarray, "P D"], base: Interval
) -> Anchor:
    """0 = the base's pictures judged by the other prompts, 100 = by their own."""
    count = len(prompts)
    scores = np.einsum("psd,qd->pqs", _wide(base_samples), _wide(prompts)).mean(axis=2)
    own = float(np.trace(scores) / count)
    others = None
    if count > 1:
        others = float((scores.sum() - np.trace(scores)) / (count * (count - 1)))
    return _anchor(others, own, base)


def diversity_anchor(base: Interval | None) -> Anchor:
    """0 = all the same, 100 = the base's pictures."""
    return Anchor(0.0, None, False) if base is None else _anchor(0.0, base.mean, base)


def drift_anchor() -> Anchor:
    """0 = not at all; raw only, for nothing is a hundred."""
    return Anchor(0.0, None, False)


def scaled(value: float, anchor: Anchor) -> float:
    """A raw value on the scale of its anchors, which must be usable."""
    assert anchor.usable
    assert anchor.zero is not None
    assert anchor.hundred is not None
    return 100.0 * (value - anchor.zero) / (anchor.hundred - anchor.zero)


def _anchor(zero: float | None, hundred: float | None, base: Interval) -> Anchor:
    if zero is None or hundred is None:
        return Anchor(zero, hundred, False)
    # Closer than the base's own interval, or upside down: the scale would be made of noise.
    return Anchor(zero, hundred, hundred - zero > base.width)


def _wide(features: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return features.astype(np.float64)
