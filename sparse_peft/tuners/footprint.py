"""How long a training is, and how large what comes out of it; no torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """How long one training lasts, and which seed its method's own draws use."""

    steps: int
    """Optimizer steps."""
    seed: int
    """Seed of initialisations and supports; never of the data."""


@dataclass(frozen=True)
class Footprint:
    """Three sizes of one trained method, because one alone would be unfair to each in turn."""

    active: int
    """Most values held trainable at the same time."""
    stored: int
    """Every number in the saved adapter, indices included."""
    support: int | None
    """Entries of the weights that the final update can change; None where that is all of them."""
    estimated: bool
    """Whether `stored` and `support` depend on chance and are expectations."""

    @classmethod
    def dense(cls, count: int) -> "Footprint":
        """Of a method that stores the `count` values it trains, and can change all entries."""
        return cls(active=count, stored=count, support=None, estimated=False)
