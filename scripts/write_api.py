"""Write docs/api.md and docs/methods.md from the docstrings and from the registry of methods.

    python scripts/write_api.py

Code is read, not run: names, signatures and docstrings come from the syntax trees of the package.
What is public: the names of `sparse_peft`, the classes beside them, the modules in FOR_METHODS, and
all of `sparse_peft/maths` but its KERNELS, without what begins with an underscore.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from reference.entries import Entry, Module, module_called
from reference.markdown import Anchors, entry_text, link, prose
from reference.methods import methods_page

import sparse_peft

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sparse_peft"
API, METHODS = ROOT / "docs" / "api.md", ROOT / "docs" / "methods.md"
COMMAND = "make api"
FOR_METHODS = (
    "methods.method",
    "methods.sizes",
    "methods.checks",
    "tuners.attachments.peft",
    "tuners.changes",
)
KERNELS = "kernels"  # a room of modules that the others call where they can
HEAD = f"""\
# API reference

Written by `{COMMAND}` from the docstrings. Shapes stand in the signatures:
`Float[Tensor, "out in"]` is a floating-point matrix with a row for each output. B batch, T tokens,
D features, k sampled entries, p coefficients, u touched entries; `*` stands for any number of axes.
"""
LIBRARY = "All of these can be imported from `sparse_peft`, which imports torch only when it must."
BESIDE = "What the names above are made of, for programs that look inside a model."
WRITING = (
    "For [a method of your own](adding_a_method.md): what it promises, and what is there to build"
    " it from."
)
MATHS = "Pure functions of tensors. Each fast one has a plain twin, with which tests compare it."


def library() -> list[Entry]:
    """The names that `sparse_peft` offers, in its own order."""
    return [_module(sparse_peft._HOMES[name]).named(name) for name in sparse_peft.__all__]


def beside() -> list[Entry]:
    """Public classes of the tuners in which a name of the library lives."""
    homes = sorted({home for home in sparse_peft._HOMES.values() if home.startswith("tuners.")})
    return [
        entry
        for home in homes
        for entry in _module(home).entries()
        if entry.is_layer and entry.name not in sparse_peft.__all__
    ]


def for_methods() -> list[Module]:
    """What a new method is written with."""
    return [_module(name) for name in FOR_METHODS]


def maths() -> list[Module]:
    """Every module of the mathematics that holds something public, without its kernels."""
    paths = sorted(path.relative_to(PACKAGE) for path in (PACKAGE / "maths").rglob("[!_]*.py"))
    names = [".".join(path.with_suffix("").parts) for path in paths if KERNELS not in path.parts]
    return [module for module in map(_module, names) if module.entries()]


def _module(name: str) -> Module:
    return module_called(f"sparse_peft.{name}", ROOT)


def api_page() -> str:
    """The text of docs/api.md."""
    anchors = Anchors()
    parts = [*_flat("The library", LIBRARY, library(), anchors)]
    parts += _flat("Layers", BESIDE, beside(), anchors)
    parts += _by_module("Writing a method", WRITING, for_methods(), anchors)
    parts += _by_module("Mathematics", MATHS, maths(), anchors)
    return "\n".join([HEAD, anchors.contents(), *parts])


def _flat(title: str, intro: str, entries: list[Entry], anchors: Anchors) -> Iterator[str]:
    anchors.section(title)
    yield f"## {title}\n\n{intro}\n"
    for entry in entries:
        anchors.entry(entry.name)
        yield entry_text(entry, level=3)
        yield f"{link(entry.path)}\n"


def _by_module(title: str, intro: str, modules: list[Module], anchors: Anchors) -> Iterator[str]:
    anchors.section(title)
    yield f"## {title}\n\n{intro}\n"
    for module in modules:
        anchors.taken(module.path)
        yield f"### {link(module.path)}\n\n{prose(module.doc)}\n"
        for entry in module.entries():
            anchors.entry(entry.name)
            yield entry_text(entry, level=4)


def main() -> None:
    API.write_text(api_page(), encoding="utf-8")
    METHODS.write_text(methods_page(COMMAND), encoding="utf-8")


if __name__ == "__main__":
    main()
