"""Who wins pair by pair: same prompt, same seed, same noise, against one reference column."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from sparse_peft.metrics.intervals import LEVEL, RESAMPLES, SEED, Interval, expanded_tail, honest_p

Word = Literal["Clear", "Leaning", "Cannot tell"]
Scores = Mapping[int, Float[np.ndarray, "P S"]]  # training seed -> score of each picture

CLEAR, LEANING = 1.0 - LEVEL, 0.20
PROMPTS_FOR_CLEAR, PAIRS_FOR_CLEAR = 6, 16


class Pair(NamedTuple):
    """`a` against the reference `b`: who scores higher in how many pairs, and in one word."""

    a: str
    b: str
    wins: int
    ties: int
    of: int
    difference: Interval
    p: float | None
    word: Word


def against(
    columns: Mapping[str, Scores], reference: str, methods: Sequence[str] | None = None
) -> list[Pair]:
    """Every method against the reference, corrected together by Holm's rule.

    Args:
        columns: scores of each column; a column without training (the base) repeats its scores
            under every training seed.
        methods: the columns to compare, all others by default; the reference itself is skipped.
    """
    names = [name for name in (methods or columns) if name != reference]
    found = []
    for name in names:
        gap = _gap(columns[name], columns[reference])
        if gap is not None:
            found.append((name, gap, *_tested(gap)))
    corrected = holm([1.0 if p is None else p for *_, p in found])
    return [
        _pair(name, reference, gap, difference, p, strict)
        for (name, gap, difference, p), strict in zip(found, corrected, strict=True)
    ]


def all_pairs(columns: Mapping[str, Scores], base: str) -> list[Pair]:
    """Every method against every other column in turn; the base is a reference, never compared."""
    methods = [name for name in columns if name != base]
    return [pair for name in (*methods, base) for pair in against(columns, name, methods)]


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected so that all of them may be read at once.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = running
    return corrected


def _gap(a: Scores, b: Scores) -> Float[np.ndarray, "R P S"] | None:
    """Differences of the training seeds that both columns have."""
    common = sorted(set(a) & set(b))
    return np.stack([a[seed] - b[seed] for seed in common]) if common else None


def _tested(gap: Float[np.ndarray, "R P S"]) -> tuple[Interval, float | None]:
    """The mean difference with its interval, and its two-sided p; None with a single prompt."""
    return _tested_bytes(gap.tobytes(), gap.dtype.str, gap.shape)


@lru_cache(maxsize=4096)  # a page that follows a training asks for the same again and again
def _tested_bytes(
    content: bytes, dtype: str, shape: tuple[int, int, int]
) -> tuple[Interval, float | None]:
    gap = np.frombuffer(content, dtype).reshape(shape)
    prompts = shape[1]
    mean = float(gap.mean())
    if prompts < 2:
        return Interval(mean, None, None), None
    means = _paired_means(gap.mean(axis=2))
    tail = expanded_tail(CLEAR / 2.0, prompts)
    low, high = np.quantile(means, [tail, 1.0 - tail])
    beyond = min(float((means <= 0.0).mean()), float((means >= 0.0).mean()))
    return Interval(mean, float(low), float(high)), honest_p(beyond, prompts)


def _paired_means(gap: Float[np.ndarray, "R P"]) -> Float[np.ndarray, " B"]:
    """Bootstrap means: prompts are drawn again, and training seeds where there are several."""
    trainings, prompts = gap.shape
    rng = np.random.default_rng(SEED)
    prompt = rng.integers(prompts, size=(RESAMPLES, 1, prompts))
    training = rng.integers(trainings, size=(RESAMPLES, trainings, 1))
    return np.asarray(gap[training, prompt].mean(axis=(1, 2)))


def _pair(
    a: str,
    b: str,
    gap: Float[np.ndarray, "R P S"],
    difference: Interval,
    p: float | None,
    strict: float,
) -> Pair:
    wins, ties = int((gap > 0).sum()), int((gap == 0).sum())
    losses = gap.size - wins - ties
    word: Word = "Clear" if strict < CLEAR else "Leaning" if strict < LEANING else "Cannot tell"
    if word == "Clear" and (gap.shape[1] < PROMPTS_FOR_CLEAR or gap.size < PAIRS_FOR_CLEAR):
        word = "Leaning"
    if (wins - losses) * difference.mean <= 0:
        word = "Cannot tell"  # the count and the average point different ways
    return Pair(a, b, wins, ties, gap.size, difference, p, word)
