"""What a class of the project takes from a class of PEFT, read without importing that."""

from importlib.util import find_spec
from pathlib import Path

from reference.entries import module_called


def inherited_fields(base: str) -> list[tuple[str, str]]:
    """Names of the fields of a class of PEFT, each also with its default; none of another's."""
    package, _, _ = base.partition(".")
    module, _, name = base.rpartition(".")
    if package != "peft":
        return []
    spec = find_spec(package)  # a package on its own is found, not imported
    assert spec is not None
    assert spec.origin is not None
    found = module_called(module, Path(spec.origin).parents[1]).named(name)
    return [_shown(part.signature) for part in found.fields()]


def _shown(signature: str) -> tuple[str, str]:
    name, _, rest = signature.partition(":")
    _, equals, default = rest.rpartition(" = ")
    return name, f"{name} = {default}" if equals else name
