"""Target names, "component/module path", and the modules they stand for."""

from collections.abc import Mapping, Sequence

from torch import nn


def module_at(components: Mapping[str, nn.Module], target: str) -> nn.Module:
    """The module that owns the weight called `target`."""
    component, _, path = target.partition("/")
    return components[component].get_submodule(path)


def weight_of(components: Mapping[str, nn.Module], target: str) -> nn.Parameter:
    """The weight called `target`."""
    weight = module_at(components, target).weight
    assert isinstance(weight, nn.Parameter)
    return weight


def has_weight(components: Mapping[str, nn.Module], target: str) -> bool:
    """Whether there is a weight called `target`."""
    try:
        return isinstance(getattr(module_at(components, target), "weight", None), nn.Parameter)
    except (KeyError, AttributeError):
        return False


def paths_by_component(targets: Sequence[str]) -> dict[str, list[str]]:
    """Module paths inside each component, in the order of the targets."""
    found: dict[str, list[str]] = {}
    for target in targets:
        component, _, path = target.partition("/")
        found.setdefault(component, []).append(path)
    return found


def shapes_of(
    components: Mapping[str, nn.Module], targets: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """The shape of each target's weight."""
    return {target: tuple(weight_of(components, target).shape) for target in targets}
