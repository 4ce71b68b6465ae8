"""The words in which a method refuses a budget or weights that it cannot use."""

import math
from collections.abc import Callable

from sparse_peft.errors import SpecError
from sparse_peft.methods.method import Shapes

CLOSE = 0.02  # a size this near below the budget spends it
MOST_PRUNED = 64  # times the rank that AdaLoRA keeps it may start from
HIGHEST_SEED = 2**63 - 1  # that random generators take
HIGHEST_SCALE = 1e9  # far above all that is of use, far below where single precision ends


def refuse_below(smallest: int, budget: int, label: str, unit: str) -> None:
    """Stop where not even the smallest of a method fits.

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

    Raises:
        SpecError: one of the weights is not a matrix.
    """
    pairs = []
    for name, shape in shapes.items():
        if len(shape) != 2:
            raise SpecError(f"{label} tunes matrices only; {name} has shape {tuple(shape)}.")
        pairs.append((shape[0], shape[1]))
    return pairs


def full_rank(shapes: Shapes, label: str) -> int:
    """The highest rank that a change of any of these matrices can have."""
    return max(min(pair) for pair in matrices(shapes, label))


def largest(holds: Callable[[int], bool], top: int) -> int:
    """The largest of 1..top for which `holds`, which is true up to some number and then false."""
    low, high = 1, top
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def at_least(name: str, value: int, smallest: int) -> None:
    """Refuse a setting below its range.

    Raises:
        SpecError: names the setting and what is allowed.
    """
    if value < smallest:
        raise SpecError(f"{name} is {value}; expected {smallest} or more.")


def not_negative(name: str, value: float) -> None:
    """Refuse a setting below 0.

    Raises:
        SpecError: names the setting and what is allowed.
    """
    if not 0 <= value < math.inf:
        raise SpecError(f"{name} is {value}; expected 0 or more.")


def check_seed(name: str, value: int) -> None:
    """Refuse a seed that random generators do not take.

    Raises:
        SpecError: names the setting and what is allowed.
    """
    at_least(name, value, 0)
    if value > HIGHEST_SEED:
        raise SpecError(f"{name} is {value}; expected {HIGHEST_SEED} at most.")


def check_scaling(scaling: float) -> None:
    """Refuse a scale that is not above 0, or beyond all use.

    Raises:
        SpecError: names what is allowed.
    """
    if not scaling > 0:
        raise SpecError(f"scaling is {scaling}; expected more than 0.")
    _not_beyond_use("scaling", scaling)


def check_alpha(alpha: float | None) -> None:
    """Refuse a scale that is not above 0, or beyond all use.

    Raises:
        SpecError: names what is allowed.
    """
    if alpha is None:
        return
    if not alpha > 0:
        raise SpecError(f"alpha is {alpha}; expected more than 0, or nothing for the rank.")
    _not_beyond_use("alpha", alpha)


def _not_beyond_use(name: str, scale: float) -> None:
    if scale > HIGHEST_SCALE:
        raise SpecError(f"{name} is {scale}; expected {HIGHEST_SCALE:g} at most.")


def check_dropout(dropout: float) -> None:
    """Refuse a share that is none.

    Raises:
        SpecError: names what is allowed.
    """
    if not 0 <= dropout < 1:
        raise SpecError(f"dropout is {dropout}; expected 0 to below 1.")
