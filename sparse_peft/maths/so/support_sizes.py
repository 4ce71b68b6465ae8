"""How many entries a sparse optimizer samples, at once and over a training; no torch."""

import math


def entries_kept(size: int, density: float) -> int:
    """How many entries of a tensor are sampled: rounded down, but never none."""
    return max(1, math.floor(size * density))


def expected_union(size: int, count: int, refreshes: int) -> float:
    """How many entries are in at least one of `refreshes` independent supports, on average."""
    return size * (1 - (1 - count / size) ** refreshes)
