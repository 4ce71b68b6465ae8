"""Accuracy, macro-F1 and calibration error over draws, each with its interval.

K classes, S draws, U test pictures of all draws, M of one.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import harmonic_mean

import numpy as np
from jaxtyping import Float, Int

from sparse_peft.metrics import answers as said
from sparse_peft.metrics.answers import BINS, Answers, Row
from sparse_peft.metrics.intervals import SEED, Interval
from sparse_peft.metrics.spreads import (
    Spread,
    bounded,
    mean_spread,
    proportion,
    spread_of,
    spreads,
)

MOST_RESAMPLES, LEAST_RESAMPLES = 1_000, 100
ANSWERS_AT_ONCE = 2e7  # over all resamples: under a second
KEPT = 128  # rows: a page that follows a training asks for the same again and again

Weights = Float[np.ndarray, " M"]


def resamples(answers: int) -> int:
    """How often the pictures are weighted anew for macro-F1 and calibration error.

    Args:
        answers: over all draws.
    """
    return int(min(MOST_RESAMPLES, max(LEAST_RESAMPLES, ANSWERS_AT_ONCE // max(1, answers))))


@lru_cache(maxsize=KEPT)
def accuracy(row: Row) -> Interval:
    """Mean accuracy over the draws."""
    part = mean_spread([a.place for a in row], [a.right for a in row])
    return proportion(part, _number(row))


@lru_cache(maxsize=KEPT)
def per_class(row: Row, classes: int) -> tuple[Interval | None, ...]:
    """Mean accuracy on the pictures of each class; None where the tests have none."""
    label = [answers.label for answers in row]
    parts = spreads([a.place for a in row], [a.right for a in row], label, classes)
    seen = np.bincount(np.concatenate(label), minlength=classes)
    return tuple(
        None if part is None else proportion(part, int(count))
        for part, count in zip(parts, seen, strict=True)
    )


@lru_cache(maxsize=KEPT)
def macro_f1(row: Row) -> Interval:
    """Mean macro-F1 over the draws."""
    return bounded(_recomputed(row, said.macro_f1, weighted_f1))


@lru_cache(maxsize=KEPT)
def calibration_error(row: Row) -> Interval:
    """Mean expected calibration error over the draws."""
    return bounded(_recomputed(row, said.calibration_error, weighted_calibration_error))


@lru_cache(maxsize=KEPT)
def harmonic(base: Row, new: Row) -> Interval:
    """Mean over the draws of the harmonic mean of the accuracies on base and on new classes.

    Source: Zhou et al. 2022, arXiv:2203.05557, section 4.1; there of the averages over draws.
    """
    own, other = (np.array([said.accuracy(answers) for answers in row]) for row in (base, new))
    pairs = zip(own.tolist(), other.tolist(), strict=True)
    values = np.array([harmonic_mean(pair) for pair in pairs], np.float64)
    total = np.maximum(own + other, np.finfo(np.float64).tiny)
    moved = _influence(base, 2.0 * (other / total) ** 2), _influence(new, 2.0 * (own / total) ** 2)
    squares = sum(float(np.sum(part**2)) for part in moved)
    # The scarcer pictures decide how sure it is.
    return bounded(spread_of(values, squares, min(len(part) for part in moved)))


def weighted_f1(answers: Answers, weights: Weights) -> float:
    """`answers.macro_f1` where pictures have a weight."""
    size = 1 + int(max(answers.label.max(), answers.predicted.max()))
    hits = np.bincount(answers.label[answers.right], weights[answers.right], size)
    both = np.bincount(answers.label, weights, size) + np.bincount(answers.predicted, weights, size)
    return float(np.mean(2.0 * hits[both > 0] / both[both > 0]))


def weighted_calibration_error(answers: Answers, weights: Weights) -> float:
    """`answers.calibration_error` where pictures have a weight."""
    gaps = np.bincount(_bins(answers), weights * (answers.right - answers.confidence), BINS)
    return float(np.abs(gaps).sum() / weights.sum())


@lru_cache(maxsize=KEPT)
def _bins(answers: Answers) -> Int[np.ndarray, " M"]:
    return said.bins(answers.confidence)


def _recomputed(
    row: Row, value: Callable[[Answers], float], weighted: Callable[[Answers, Weights], float]
) -> Spread:
    """A metric that is no average: pictures are weighted at random and it is computed again.

    Source: Rubin 1981, doi:10.1214/aos/1176345338: in a resample no class can vanish.
    """
    union, at = _union(row)
    rng = np.random.default_rng(SEED)
    means = []
    for _ in range(resamples(_number(row))):
        weights = rng.exponential(size=len(union))
        means.append(np.mean([weighted(a, weights[own]) for a, own in zip(row, at, strict=True)]))
    values = np.array([value(answers) for answers in row])
    return spread_of(values, float(np.var(means, ddof=1)), len(union))


def _influence(row: Row, slopes: Float[np.ndarray, " S"]) -> Float[np.ndarray, " U"]:
    """How each picture moves an average over draws of what has these slopes in accuracy."""
    union, at = _union(row)
    found = np.zeros(len(union))
    for answers, own, slope in zip(row, at, slopes, strict=True):
        gap = (answers.right - answers.right.mean()) / len(answers.place)
        found[own] += slope * gap / len(row)
    return found


def _union(row: Row) -> tuple[Int[np.ndarray, " U"], Sequence[Int[np.ndarray, " _"]]]:
    """Every test picture once, and where those of each draw stand among them."""
    union = np.unique(np.concatenate([answers.place for answers in row]))
    return union, [np.searchsorted(union, answers.place) for answers in row]


def _number(row: Row) -> int:
    return sum(len(answers.place) for answers in row)
