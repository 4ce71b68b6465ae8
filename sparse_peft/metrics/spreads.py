"""How far an average over draws could move: by other test pictures, and by other draws.

Draws share their test pictures, wholly or in part, so a picture counts in all of them at once. To
that comes what the draws differ by; few draws make it uncertain, and t says how much. What the
draws differ by holds some of the pictures' part again: the interval is rather too wide.
U test pictures of all draws, M of one, S draws, G groups.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from sparse_peft.metrics.intervals import LEVEL, Interval, student_quantile

MOST_DF = 1_000  # beyond it t is normal to three digits

Places = Sequence[Int[np.ndarray, " _"]]  # of the test pictures, draw by draw
Values = Sequence[Float[np.ndarray, " _"] | Bool[np.ndarray, " _"]]


class Spread(NamedTuple):
    """An average over draws, and the variance of it that pictures and draws make."""

    mean: float
    by_pictures: float
    by_draws: float
    pictures: int
    """how many there are, each once"""
    draws: int

    @property
    def error(self) -> float:
        """Standard error of the average."""
        return sqrt(self.by_pictures + self.by_draws)

    @property
    def df(self) -> int:
        """Degrees of freedom of the standard error.

        Source: Satterthwaite 1946, doi:10.2307/3002019.
        """
        parts = self.by_pictures**2 / (self.pictures - 1)
        parts += self.by_draws**2 / (self.draws - 1) if self.draws > 1 else 0.0
        found = (self.by_pictures + self.by_draws) ** 2 / parts if parts else self.pictures - 1
        return max(1, min(int(found), MOST_DF))

    @property
    def quantile(self) -> float:
        """Standard errors from the average to an end of its interval."""
        return -student_quantile((1.0 - LEVEL) / 2.0, self.df)


def spread_of(values: Float[np.ndarray, " S"], by_pictures: float, pictures: int) -> Spread:
    """The spread of an average over draws.

    Args:
        values: one a draw.
        by_pictures: variance of their average that the pictures make, as a sum of squares over
            them; it is scaled up by U / (U - 1) here.
    """
    draws = len(values)
    by_draws = float(np.var(values, ddof=1)) / draws if draws > 1 else 0.0
    scaled = by_pictures * pictures / max(1, pictures - 1)
    return Spread(float(np.mean(values)), scaled, by_draws, pictures, draws)


def mean_spread(places: Places, values: Values) -> Spread:
    """The average over draws of the average over a draw's pictures."""
    (found,) = spreads(places, values, [np.zeros(len(place), np.int32) for place in places], 1)
    assert found is not None
    return found


def spreads(
    places: Places, values: Values, groups: Sequence[Int[np.ndarray, " _"]], number: int
) -> list[Spread | None]:
    """`mean_spread` of each group of pictures; None for a group without any.

    Args:
        groups: the group of each value, below `number`; of a picture the same in every draw.
    """
    union, first = np.unique(np.concatenate(places), return_index=True)
    of = np.concatenate(groups)[first]
    averages, influence = np.full((len(places), number), np.nan), np.zeros(len(union))
    for draw, (place, value, group) in enumerate(zip(places, values, groups, strict=True)):
        counts, sums = np.bincount(group, None, number), np.bincount(group, value, number)
        np.divide(sums, counts, out=averages[draw], where=counts > 0)
        influence[np.searchsorted(union, place)] += (value - averages[draw, group]) / counts[group]
    measured = ~np.isnan(averages)
    squares = np.bincount(of, influence**2, number) / np.maximum(1, measured.sum(axis=0)) ** 2
    return [
        spread_of(averages[measured[:, group], group], float(squares[group]), int(count))
        if count
        else None
        for group, count in enumerate(np.bincount(of, None, number))
    ]


def proportion(part: Spread, most: int) -> Interval:
    """Wilson's interval with the number of pictures that the spread amounts to.

    Unlike an average with its standard error it is never empty, not even at 0 and at 1.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953; with an effective number and t as in
        Franco et al. 2019, doi:10.1093/jssam/smy019.

    Args:
        most: answers in all: the spread cannot amount to more.
    """
    mean, variance = part.mean, part.error**2
    if part.pictures < 2:
        return Interval(mean, None, None)
    count = min(mean * (1.0 - mean) / variance, most) if variance else part.pictures
    square = part.quantile**2 / count
    middle = (mean + square / 2.0) / (1.0 + square)
    reach = sqrt(square * mean * (1.0 - mean) + square**2 / 4.0) / (1.0 + square)
    # The mean is inside; where it is 0 or 1 it is an end, but for the last digit.
    return Interval(mean, max(0.0, min(middle - reach, mean)), min(1.0, max(middle + reach, mean)))


def bounded(part: Spread, least: float = 0.0) -> Interval:
    """The average and t times its standard error on both sides, from `least` to 1."""
    if part.pictures < 2:
        return Interval(part.mean, None, None)
    reach = part.quantile * part.error
    return Interval(part.mean, max(least, part.mean - reach), min(1.0, part.mean + reach))
