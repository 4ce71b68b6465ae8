"""The modules and weights that targets stand for."""

from collections.abc import Mapping, Sequence

from torch import nn

from sparse_peft.tuners.paths import component_of, path_of, paths_by_component


def module_at(components: Mapping[str, nn.Module], target: str) -> nn.Module:
    """The module that owns the weight called `target`.

    Raises:
        ValueError: there is none.
    """
    try:
        return components[component_of(target)].get_submodule(path_of(target))
    except (KeyError, AttributeError) as error:
        raise ValueError(
            f"there is no target {target!r}: expected component/module path, where the component "
            f"is one of {', '.join(components)}"
        ) from error


def components_of(
    components: Mapping[str, nn.Module], targets: Sequence[str]
) -> dict[str, nn.Module]:
    """The components that targets are in.

    Raises:
        ValueError: there is no such target.
    """
    for target in targets:
        module_at(components, target)
    return {name: components[name] for name in paths_by_component(targets)}


def weight_of(components: Mapping[str, nn.Module], target: str) -> nn.Parameter:
    """The weight called `target`."""
    weight = module_at(components, target).weight
    assert isinstance(weight, nn.Parameter)
    return weight


def has_weight(components: Mapping[str, nn.Module], target: str) -> bool:
    """Whether there is a weight called `target`."""
    try:
        return isinstance(getattr(module_at(components, target), "weight", None), nn.Parameter)
    except ValueError:
        return False


def shapes_of(
    components: Mapping[str, nn.Module], targets: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """The shape of each target's weight."""
    return {target: tuple(weight_of(components, target).shape) for target in targets}
