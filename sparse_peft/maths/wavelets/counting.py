"""How many entries of a weight some coefficients touch, counted without building them; no torch."""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int64

from sparse_peft.maths.wavelets.axes import Axis, axis
from sparse_peft.maths.wavelets.filters import taps_of
from sparse_peft.maths.wavelets.places import first_places

COUNTED_TOGETHER = 4  # sizes within this factor are counted in one pass


def touched_count(shape: tuple[int, int], coefficients: int, seed: int, family: str | None) -> int:
    """How many entries `geometry.geometry` touches.

    Fewer coefficients at the same seed are the first of more, so one pass counts many sizes.
    """
    if family is None:
        return coefficients
    most = 1
    while most < coefficients:
        most *= COUNTED_TOGETHER
    return int(_touched_by_first(shape, most, seed, family)[coefficients - 1])


@lru_cache(maxsize=128)
def _touched_by_first(
    shape: tuple[int, int], most: int, seed: int, family: str
) -> Int64[np.ndarray, " n"]:
    """How many entries the first coefficient touches, the first two, and so on up to `most`."""
    out, into = shape
    places = first_places(out * into, most, seed)
    rows = _reached(places // into, axis(out, family), taps_of(family))
    columns = _reached(places % into, axis(into, family), taps_of(family))
    count = places.size
    order = np.arange(count)
    earliest = np.full(out * into, count, dtype=np.int32)
    for row, row_inside in rows:
        for column, column_inside in columns:
            inside = row_inside & column_inside
            flat = row[inside] * into + column[inside]
            earlier = np.minimum(earliest[flat], order[inside])
            # Of entries that are named twice the last value stays, so the first comes last.
            earliest[flat[::-1]] = earlier[::-1]
    return np.bincount(earliest, minlength=count)[:count].cumsum()


def _reached(
    index: Int64[np.ndarray, " p"], along: Axis, taps: int
) -> list[tuple[Int64[np.ndarray, " p"], Bool[np.ndarray, " p"]]]:
    """For each tap, where it falls, and whether that is inside the weight."""
    first = 2 * ((index + along.offset) % along.half) - along.trim
    return [(at := first + tap, (at >= 0) & (at < along.length)) for tap in range(taps)]
