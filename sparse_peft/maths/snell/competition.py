"""Competition among the entries of a matrix: which survive, and what becomes of them; no torch."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from sparse_peft.errors import SpecError

Form = Literal["code", "paper"]


@dataclass(frozen=True)
class Competition:
    """A share of the entries, the smallest, becomes zero; the others are scaled by their size.

    Source: Shen et al. 2024, arXiv:2411.01800, Eq. 5 ("paper"); ssfgunner/SNELL@e9d5185
        model/vision_transformer_timm.py:272-279 ("code"), which does not subtract the threshold,
        interpolates it, and takes the magnitude of a survivor for a constant in the derivative.
    """

    sparsity: float
    """Share of the entries that is zeroed, 0 to below 1; at 0 the matrix is taken as it is."""
    form: Form = "code"
    """"paper" is w max(|w| - t, 0), "code" is w sg(|w|) where |w| > t."""

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise SpecError(f"sparsity is {self.sparsity}; expected 0 to below 1.")
        if self.form not in get_args(Form):
            raise SpecError(f"form is {self.form!r}; expected one of {', '.join(get_args(Form))}.")

    def zeroed(self, entries: int) -> int:
        """How many entries become zero, if no two have the same magnitude."""
        if self.sparsity == 0:
            return 0
        if self.form == "paper":
            return math.ceil(Fraction(str(self.sparsity)) * entries)
        return math.floor(self.sparsity * (entries - 1)) + 1

    def survivors(self, entries: int) -> int:
        """How many entries do not become zero, if no two have the same magnitude.

        Raises:
            SpecError: none would survive, so that nothing could be learned.
        """
        left = entries - self.zeroed(entries)
        if left < 1:
            raise SpecError(
                f"sparsity is {self.sparsity}, which zeroes all {entries} entries of a weight. "
                "Lower it."
            )
        return left
