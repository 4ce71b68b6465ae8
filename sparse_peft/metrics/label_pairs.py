"""Which of two classifiers recognises more: picture by picture, draw by draw."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from sparse_peft.metrics.answers import Answers
from sparse_peft.metrics.intervals import Interval, student_cdf
from sparse_peft.metrics.pairs import CLEAR, LEANING, Pair, Word, holm
from sparse_peft.metrics.spreads import Spread, bounded, mean_spread

PICTURES_FOR_CLEAR = 40

Column = Mapping[int, Answers]  # draw -> what was said of its test pictures


def all_pairs(columns: Mapping[str, Column], alone: str) -> list[Pair]:
    """Every row against every other in turn; `alone` is a reference, never compared."""
    methods = [name for name in columns if name != alone]
    return [pair for name in (*methods, alone) for pair in against(columns, name, methods)]


def against(columns: Mapping[str, Column], reference: str, methods: Sequence[str]) -> list[Pair]:
    """Every method against the reference, corrected together by Holm's rule.

    Args:
        methods: the rows to compare; the reference itself is skipped.
    """
    found = []
    for name in methods:
        other = columns.get(reference, {})
        common = sorted(set(columns[name]) & set(other))
        if name != reference and common:
            one = tuple(columns[name][seed] for seed in common)
            found.append((name, *_tested(one, tuple(other[seed] for seed in common))))
    corrected = holm([1.0 if p is None else p for *_, p in found])
    return [
        _pair(name, reference, counts, part, p, strict)
        for (name, counts, part, p), strict in zip(found, corrected, strict=True)
    ]


@lru_cache(maxsize=4096)  # a page that follows a training asks for the same again and again
def _tested(
    a: tuple[Answers, ...], b: tuple[Answers, ...]
) -> tuple[tuple[int, int, int], Spread, float | None]:
    """Wins, ties and pairs; the mean difference with its spread; its two-sided p."""
    places, gaps = [], []
    for one, other in zip(a, b, strict=True):
        place, mine, theirs = np.intersect1d(
            one.place, other.place, assume_unique=True, return_indices=True
        )
        places.append(place)
        gaps.append(one.right[mine].astype(np.float64) - other.right[theirs])
    every = np.concatenate(gaps)
    part = mean_spread(places, gaps)
    return (int((every > 0).sum()), int((every == 0).sum()), every.size), part, _p(part)


def _p(part: Spread) -> float | None:
    """Two-sided p of a mean difference; None with a single picture.

    One picture is taken off the difference: without it 5 wins in 400 pictures would look sure
    (Edwards 1948, doi:10.1007/BF02289261). Nor is p below that of a sign test without a loss.
    """
    if part.pictures < 2:
        return None
    rest = abs(part.mean) - 1.0 / part.pictures
    if rest <= 0.0:
        return 1.0
    sure = 2.0 * student_cdf(-rest / part.error, part.df) if part.error else 0.0
    return max(sure, 2.0 ** (1 - part.pictures))


def _pair(
    a: str, b: str, counts: tuple[int, int, int], part: Spread, p: float | None, strict: float
) -> Pair:
    wins, ties, of = counts
    losses = of - wins - ties
    word: Word = "Clear" if strict < CLEAR else "Leaning" if strict < LEANING else "Cannot tell"
    if word == "Clear" and part.pictures < PICTURES_FOR_CLEAR:
        word = "Leaning"
    if (wins - losses) * part.mean <= 0:
        word = "Cannot tell"  # the count and the average point different ways
    difference: Interval = bounded(part, least=-1.0)
    return Pair(a, b, wins, ties, of, difference, p, word)
