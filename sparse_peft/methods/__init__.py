"""The methods by name: every dataclass of this folder that is a method, found by looking."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from sparse_peft.errors import SpecError
from sparse_peft.methods.method import MethodClass
from sparse_peft.tables import nearest


@cache
def all_methods() -> dict[str, MethodClass]:
    """Every method of this folder, sorted by name."""
    found: dict[str, MethodClass] = {}
    for entry in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        for thing in vars(module).values():
            if _is_method(thing) and thing.__module__ == module.__name__:
                if thing.name in found:
                    raise ValueError(
                        f"{thing.__module__} and {found[thing.name].__module__} "
                        f"both name their method {thing.name!r}"
                    )
                found[thing.name] = thing
    return dict(sorted(found.items()))


def _is_method(thing: object) -> bool:
    return isinstance(thing, type) and dataclasses.is_dataclass(thing) and hasattr(thing, "attach")


def method_named(name: str, references: Sequence[str] = ()) -> MethodClass:
    """The method called `name`.

    Args:
        references: what may be named beside methods; the message names them, too.

    Raises:
        SpecError: there is none; the message names those there are, nearest first.
    """
    known = all_methods()
    if name not in known:
        names = [*known, *references]
        guess = nearest(name, names)
        hint = f"Did you mean {guess!r}? " if guess else ""
        raise SpecError(f"unknown method {name!r}. {hint}Known: {', '.join(names)}.")
    return known[name]
