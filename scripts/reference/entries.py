"""What a module offers, read from its syntax tree: nothing of it is imported."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

WIDTH = 96  # columns that a signature may take in one line
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Part:
    """A field or a method of a class."""

    signature: str
    doc: str
    annotations: tuple[ast.expr, ...]


@dataclass(frozen=True)
class Entry:
    """A public function or class."""

    node: Function | ast.ClassDef
    source: str
    path: str
    imported: Mapping[str, str]
    """The dotted names behind the short ones of its module."""

    @property
    def name(self) -> str:
        """Its own name."""
        return self.node.name

    @property
    def is_layer(self) -> bool:
        """Whether it is a class, and none of the functions that only autograd calls."""
        bases = self.node.bases if isinstance(self.node, ast.ClassDef) else []
        autograd = any(ast.unparse(base).endswith("autograd.Function") for base in bases)
        return isinstance(self.node, ast.ClassDef) and not autograd

    @property
    def doc(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.node) or ""

    @property
    def signature(self) -> str:
        """How it is called; of a class that says nothing of that, what it is built on."""
        if not isinstance(self.node, ast.ClassDef):
            return self._signature(self.node, self.name)
        made = [
            n for n in self.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"
        ]
        if made:
            return self._signature(made[0], self.name, returns=False)
        if self._is_dataclass() and self.fields():
            return _in_lines(self.name, [field.signature for field in self.fields()], "")
        bases = ", ".join(self._bases())
        return f"class {self.name}({bases})" if bases else f"class {self.name}"

    def annotations(self) -> tuple[ast.expr, ...]:
        """The types of everything that one puts in or gets out."""
        if isinstance(self.node, ast.ClassDef):
            made = [n for n in self.node.body if getattr(n, "name", "") == "__init__"]
            found = [a for n in made if isinstance(n, Function) for a in _annotations(n)]
            return tuple(found + [a for part in self.fields() for a in part.annotations])
        return _annotations(self.node)

    def fields(self) -> list[Part]:
        """Annotated names in the body of a class, each with the text under it."""
        if not isinstance(self.node, ast.ClassDef):
            return []
        found, body = [], self.node.body
        for here, below in zip(body, [*body[1:], None], strict=True):
            if not (isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name)):
                continue
            if here.target.id.startswith("_"):
                continue
            default, help_ = self._default(here.value)
            signature = f"{here.target.id}: {self._type(here.annotation)}{default}"
            found.append(Part(signature, _text_of(below) or help_, (here.annotation,)))
        return found

    def attributes(self) -> list[Part]:
        """Annotated names that `__init__` gives an instance, each with the text under it."""
        made = [n for n in getattr(self.node, "body", []) if getattr(n, "name", "") == "__init__"]
        found = []
        for node in (node for node in made if isinstance(node, ast.FunctionDef)):
            for here, below in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Attribute):
                    signature = f"{here.target.attr}: {self._type(here.annotation)}"
                    if not here.target.attr.startswith("_"):
                        found.append(Part(signature, _text_of(below), (here.annotation,)))
        return found

    def _default(self, value: ast.expr | None) -> tuple[str, str]:
        """What a field is if nothing is said, and the help that a dataclass field may carry."""
        if value is None:
            return "", ""
        if not (isinstance(value, ast.Call) and ast.unparse(value.func).endswith("field")):
            return f" = {self._text(value)}", ""
        given = {word.arg: word.value for word in value.keywords}
        help_ = ast.literal_eval(given["metadata"])["help"] if "metadata" in given else ""
        if "default" in given:
            return f" = {self._text(given['default'])}", help_
        return f" = {self._text(given['default_factory'])}()", help_

    def inherited(self) -> list[str]:
        """The classes whose fields a dataclass takes besides its own."""
        return self._bases() if self._is_dataclass() else []

    def _bases(self) -> list[str]:
        found = [self._text(base) for base in getattr(self.node, "bases", [])]
        split = [name.partition(".") for name in found]
        return [self.imported.get(first, first) + dot + rest for first, dot, rest in split]

    def methods(self) -> list[Part]:
        """Public methods that have a docstring; properties as names with a type."""
        if not isinstance(self.node, ast.ClassDef):
            return []
        found = []
        for node in self.node.body:
            if not isinstance(node, Function) or node.name.startswith("_"):
                continue
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            if "overload" in marks:
                continue
            signature = self._signature(node, node.name)
            if {"property", "cached_property"} & set(marks):
                signature = f"{node.name}: {self._type(node.returns)}"
            found.append(Part(signature, ast.get_docstring(node) or "", _annotations(node)))
        return found

    def _is_dataclass(self) -> bool:
        marks = [ast.unparse(mark) for mark in self.node.decorator_list]
        return any(re.fullmatch(r"(dataclasses\.)?dataclass(\(.*\))?", mark) for mark in marks)

    def _signature(self, node: Function, name: str, *, returns: bool = True) -> str:
        given = node.args
        plain = [*given.posonlyargs, *given.args]
        defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
        words = [self._argument(a, d) for a, d in zip(plain, defaults, strict=True)]
        if plain and plain[0].arg in ("self", "cls"):
            words = words[1:]
        if given.vararg:
            words.append("*" + self._argument(given.vararg, None))
        elif given.kwonlyargs:
            words.append("*")
        for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            words.append(self._argument(one, default))
        if given.kwarg:
            words.append("**" + self._argument(given.kwarg, None))
        result = f" -> {self._type(node.returns)}" if returns and node.returns else ""
        return _in_lines(name, words, result)

    def _argument(self, argument: ast.arg, default: ast.expr | None) -> str:
        kind = f": {self._type(argument.annotation)}" if argument.annotation else ""
        if default is None:
            return argument.arg + kind
        return f"{argument.arg}{kind} = {self._text(default)}"

    def _type(self, annotation: ast.expr | None) -> str:
        """An annotation without the quotes and blanks that only Python and jaxtyping need."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return annotation.value
        assert annotation is not None
        return re.sub(r'"\s+', '"', self._text(annotation))

    def _text(self, node: ast.expr) -> str:
        """The source of an expression, in one line."""
        found = ast.get_source_segment(self.source, node)
        assert found is not None
        return re.sub(r"\s+", " ", found).replace("[ ", "[").replace(", ]", "]")


def _annotations(node: Function) -> tuple[ast.expr, ...]:
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    found = [argument.annotation for argument in named] + [node.returns]
    return tuple(annotation for annotation in found if annotation is not None)


def _in_lines(name: str, words: list[str], result: str) -> str:
    line = f"{name}({', '.join(words)}){result}"
    if len(line) <= WIDTH or not words:
        return line
    return f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){result}"


def _text_of(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""


@dataclass(frozen=True)
class Module:
    """A file of the package."""

    file: Path
    root: Path

    @cached_property
    def _source(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self._source)

    @property
    def path(self) -> str:
        """Where it is, from the root of the repository."""
        return self.file.relative_to(self.root).as_posix()

    @property
    def doc(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self._tree) or ""

    def entries(self) -> list[Entry]:
        """What it offers: the names of its `__all__` or, without one, what it defines itself."""
        listed = [
            ast.literal_eval(node.value)
            for node in self._tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        if not listed:
            return [entry for entry in self._defined() if not entry.name.startswith("_")]
        found = [self._found(name) for name in listed[0]]
        return [entry for entry in found if entry is not None]

    def _defined(self) -> list[Entry]:
        return [
            Entry(node, self._source, self.path, self._imported())
            for node in self._tree.body
            if isinstance(node, Function | ast.ClassDef)
        ]

    def _imported(self) -> dict[str, str]:
        return {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in self._tree.body
            if isinstance(node, ast.ImportFrom) and node.module != "typing"
            for alias in node.names
        }

    def named(self, name: str) -> Entry:
        """The function or class called `name`, wherever in the package this module has it from."""
        found = self._found(name)
        if found is None:
            raise ValueError(f"{self.path} has no function or class called {name}")
        return found

    def _found(self, name: str) -> Entry | None:
        for entry in self._defined():
            if entry.name == name:
                return entry
        for node in self._tree.body:
            if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
                return module_called(self._absolute(node), self.root)._found(name)
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        """The dotted name of the module that an import names, which may be relative."""
        if not node.level:
            return str(node.module)
        start = self.file.relative_to(self.root).parts[: -node.level]
        return ".".join([*start, *([node.module] if node.module else [])])


def module_called(name: str, root: Path) -> Module:
    """The module of a dotted name."""
    path = root.joinpath(*name.split("."))
    return Module(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"), root)
