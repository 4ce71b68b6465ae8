"""What clicks of several boards ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Nothing:
    """A click that asks for no more than itself."""


@dataclass(frozen=True)
class Arrived:
    """Pictures have come in by a door."""

    last: bool = True
    """False: more are on their way, and nothing is said yet"""


@dataclass(frozen=True)
class Reuse:
    """A data set that was used before."""

    dataset: str


@dataclass(frozen=True)
class ChosenBackbone:
    """A backbone on offer, or the name of another one."""

    backbone: str
