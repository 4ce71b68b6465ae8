"""The words in which a method refuses a setting out of its range.

Raises:
    SpecError: every one of these; it names the setting and what is allowed.
"""

import math

from sparse_peft.errors import SpecError

HIGHEST_SEED = 2**63 - 1  # that random generators take
HIGHEST_SCALE = 1e9  # far above all that is of use, far below where single precision ends


def check_at_least(name: str, value: int, smallest: int) -> None:
    """Refuse what is below the smallest."""
    if value < smallest:
        raise SpecError(f"{name} is {value}; expected {smallest} or more.")


def check_not_negative(name: str, value: float) -> None:
    """Refuse what is below 0, or no finite number."""
    if not 0 <= value < math.inf:
        raise SpecError(f"{name} is {value}; expected 0 or more.")


def check_share(name: str, value: float) -> None:
    """Refuse what is no share that leaves something."""
    if not 0 <= value < 1:
        raise SpecError(f"{name} is {value}; expected 0 to below 1.")


def check_seed(name: str, value: int) -> None:
    """Refuse a seed that random generators do not take."""
    check_at_least(name, value, 0)
    if value > HIGHEST_SEED:
        raise SpecError(f"{name} is {value}; expected {HIGHEST_SEED} at most.")


def check_scaling(scaling: float) -> None:
    """Refuse a scale that is not above 0, or beyond all use."""
    if not scaling > 0:
        raise SpecError(f"scaling is {scaling}; expected more than 0.")
    _check_of_use("scaling", scaling)


def check_alpha(alpha: float | None) -> None:
    """Refuse a scale that is not above 0, or beyond all use; None stands for the rank."""
    if alpha is None:
        return
    if not alpha > 0:
        raise SpecError(f"alpha is {alpha}; expected more than 0, or nothing for the rank.")
    _check_of_use("alpha", alpha)


def _check_of_use(name: str, scale: float) -> None:
    if scale > HIGHEST_SCALE:
        raise SpecError(f"{name} is {scale}; expected {HIGHEST_SCALE:g} at most.")
