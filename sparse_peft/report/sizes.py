"""How far apart the sizes are that methods were given at one budget, in words."""

from collections.abc import Sequence

LARGE_GAP = 0.05  # of the largest size, from which on a gap is told


def uneven(budget: int | None, sizes: Sequence[tuple[str, int]]) -> str:
    """A sentence where methods at one budget differ much in size; "" where they do not.

    Args:
        budget: None where there was none for all of them.
        sizes: names of methods, and how many numbers each trains at a time; those beyond the
            budget are flagged elsewhere, or have no size that could be set, and do not count.
    """
    within = [size for size in sizes if budget is not None and size[1] <= budget]
    if len(within) < 2:
        return ""
    (least, few), (most, many) = (pick(within, key=lambda size: size[1]) for pick in (min, max))
    if many - few <= LARGE_GAP * many:
        return ""
    gap = 100 * (many - few) / many
    return (
        f"At one budget of {budget:,} the sizes are up to {gap:.0f} % apart ({least} {few:,}, "
        f"{most} {many:,}): a method grows in steps of its own, and they do not all reach it."
    )
