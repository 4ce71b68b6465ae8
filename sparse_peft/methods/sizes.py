"""What methods are sized with: the weights as matrices, searches, and the refusal of a budget."""

from collections.abc import Callable

from sparse_peft.errors import SpecError
from sparse_peft.methods.method import Shapes

CLOSE = 0.02  # a size this near below the budget spends it
MOST_PRUNED = 64  # times the rank that AdaLoRA keeps it may start from


def refuse_below(smallest: int, budget: int, label: str, unit: str) -> None:
    """Stop where not even the smallest of a method fits.

    Args:
        unit: what the smallest is, in words.

    Raises:
        SpecError: names the smallest possible budget.
    """
    if budget < smallest:
        raise SpecError(
            f"a budget of {budget} values is too small for {label}: "
            f"the smallest possible here is {smallest} ({unit})."
        )


def matrices(shapes: Shapes, label: str) -> list[tuple[int, int]]:
    """The shapes as (out, in) pairs.

    Args:
        label: the method's, for the message.

    Raises:
        SpecError: one of the weights is not a matrix.
    """
    pairs = []
    for name, shape in shapes.items():
        if len(shape) != 2:
            raise SpecError(f"{label} tunes matrices only; {name} has shape {tuple(shape)}.")
        pairs.append((shape[0], shape[1]))
    return pairs


def rank_one(shapes: Shapes, label: str) -> int:
    """Values of two thin matrices beside each weight whose product has rank 1: out + in.

    Raises:
        SpecError: one of the weights is not a matrix.
    """
    return sum(out + into for out, into in matrices(shapes, label))


def full_rank(shapes: Shapes, label: str) -> int:
    """The highest rank that a change of any of these matrices can have.

    Raises:
        SpecError: one of the weights is not a matrix.
    """
    return max(min(pair) for pair in matrices(shapes, label))


def alpha_of(alpha: float | None, rank: int) -> int | float:
    """The alpha of alpha / rank; the rank where none is set, so that the quotient is 1."""
    return rank if alpha is None else alpha


def largest(holds: Callable[[int], bool], top: int) -> int:
    """The largest of 1..top for which `holds`, which is true up to some number and then false."""
    low, high = 1, top
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def percent(share: float) -> str:
    """A share in per cent, with two digits that count."""
    return f"{float(f'{100 * share:.2g}'):g} %"
