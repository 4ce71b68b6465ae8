"""Write docs/api.md and docs/methods.md from the docstrings and from the registry of methods.

    python scripts/write_api.py

Code is read, not run: names, signatures and docstrings come from the syntax trees of the package.
What is public: the names of `sparse_peft`, the classes beside them, the modules in FOR_METHODS, and
all of `sparse_peft/maths` but its KERNELS, without what begins with an underscore.
"""

import sys
from collections import Counter
from collections.abc import Iterable
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
ABOUT = {
    "The library": "for your own script: optimizers, adapters, files.",
    "Writing a method": "what a method promises, and what is there to build it from.",
    "Mathematics": "for research: pure functions behind WaveFT, SO and SNELL, with plain twins.",
    "Inside": "layers, PEFT's tuners and what the functions above give back.",
}
INSIDE = (
    ("methods.adapters", "OpenAdapter"),
    ("tuners.snell.settings", "SnellSettings"),
    ("tuners.touched", "Touched"),
)
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
    found = [
        entry
        for home in homes
        for entry in _module(home).entries()
        if entry.is_layer and entry.name not in sparse_peft.__all__
    ]
    return found + [_module(home).named(name) for home, name in INSIDE]


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
    """The text of docs/api.md: contents, then the sections, each with its names first."""
    page = Page([*library(), *beside(), *_entries(for_methods()), *_entries(maths())])
    texts = [
        page.flat("The library", LIBRARY, library()),
        page.by_module("Writing a method", WRITING, for_methods()),
        page.by_module("Mathematics", MATHS, maths()),
        page.flat("Inside", BESIDE, beside()),
    ]
    contents = [f"- [{title}](#{Anchors().taken(title)}): {text}" for title, text in ABOUT.items()]
    return "\n".join([HEAD, *contents, "", *texts])


def _entries(modules: Iterable[Module]) -> list[Entry]:
    return [entry for module in modules for entry in module.entries()]


class Page:
    """The sections of a page on which each heading is there once.

    Args:
        entries: all that the page will show.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self._anchors = Anchors()
        self._times = Counter(entry.name for entry in entries)

    def flat(self, title: str, intro: str, entries: list[Entry]) -> str:
        """A section of entries, each with its file."""
        self._anchors.taken(title)
        links = [self._link(entry) for entry in entries]
        texts = [entry_text(e, 3, self._heading(e)) + f"\n{link(e.path)}\n" for e in entries]
        return "\n".join([f"## {title}\n\n{intro}\n", ", ".join(links) + "\n", *texts])

    def by_module(self, title: str, intro: str, modules: list[Module]) -> str:
        """A section of modules, each with its entries."""
        self._anchors.taken(title)
        names, texts = [], []
        for module in modules:
            self._anchors.taken(module.path)
            names.append(", ".join(self._link(entry) for entry in module.entries()))
            texts.append(f"### {link(module.path)}\n\n{prose(module.doc)}\n")
            texts += [entry_text(e, 4, self._heading(e)) for e in module.entries()]
        return "\n".join([f"## {title}\n\n{intro}\n", ", ".join(names) + "\n", *texts])

    def _link(self, entry: Entry) -> str:
        return self._anchors.link(self._heading(entry))

    def _heading(self, entry: Entry) -> str:
        """Its name; with its module where two have one name and this is not the library's."""
        module = entry.path.removesuffix(".py").replace("/", ".").partition(".")[2]
        offered = sparse_peft._HOMES.get(entry.name) == module
        if self._times[entry.name] == 1 or offered:
            return entry.name
        return f"{module}.{entry.name}"


def main() -> None:
    API.write_text(api_page(), encoding="utf-8")
    METHODS.write_text(methods_page(COMMAND), encoding="utf-8")


if __name__ == "__main__":
    main()
