"""Target names, "component/module path", taken apart; no torch."""

from collections.abc import Iterable


def component_of(target: str) -> str:
    """The component that a target is in."""
    return target.partition("/")[0]


def path_of(target: str) -> str:
    """The path of a target's module inside its component."""
    return target.partition("/")[2]


def paths_by_component(targets: Iterable[str]) -> dict[str, list[str]]:
    """Module paths inside each component, in the order of the targets."""
    found: dict[str, list[str]] = {}
    for target in targets:
        found.setdefault(component_of(target), []).append(path_of(target))
    return found
