"""What a method added to a backbone, at rest while it is used and not trained: no dropout."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import nn


def awake(components: Mapping[str, nn.Module]) -> list[nn.Module]:
    """The modules that are in training mode."""
    return [module for part in components.values() for module in part.modules() if module.training]


@contextmanager
def at_rest(components: Mapping[str, nn.Module]) -> Iterator[None]:
    """Inside it, a method behaves as after its training.

    A backbone is never in training mode, so whatever is in it belongs to the method. The mode is
    set by itself, since `train()` of some layers also merges weights.
    """
    found = awake(components)
    for module in found:
        module.training = False
    try:
        yield
    finally:
        for module in found:
            module.training = True
