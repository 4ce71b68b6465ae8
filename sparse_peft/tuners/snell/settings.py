"""What SNELL can be told about an adapter, checked; no torch."""

from dataclasses import dataclass

from sparse_peft.errors import SpecError
from sparse_peft.maths.snell.competition import Competition, Form

SLABS = 2  # distances in the kernel, P in the paper; a rank is split between them


def check_rank(name: str, rank: int) -> None:
    """Refuse a rank that cannot be split.

    Args:
        name: of the setting, as the person who set it knows it.

    Raises:
        SpecError: names the setting and what is allowed.
    """
    if rank < SLABS or rank % SLABS:
        raise SpecError(
            f"{name} is {rank}; expected an even number, {SLABS} or more: SNELL splits it between "
            "two distances."
        )


@dataclass(frozen=True)
class SnellSettings:
    """Settings within their ranges, as `SnellConfig` explains them.

    Raises:
        SpecError: names the setting and what is allowed.
    """

    rank: int
    sparsity: float
    form: Form
    dropout: float
    drop_path: float

    def __post_init__(self) -> None:
        check_rank("rank", self.rank)
        Competition(self.sparsity, self.form)
        for name, share in (("dropout", self.dropout), ("drop_path", self.drop_path)):
            if not 0 <= share < 1:
                raise SpecError(f"{name} is {share}; expected 0 to below 1.")

    @property
    def competition(self) -> Competition:
        """Which entries of the update survive."""
        return Competition(self.sparsity, self.form)
