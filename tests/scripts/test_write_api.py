"""The reference is what the code says, and the code says enough."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import write_api
from reference import markdown, methods
from reference.entries import Entry, Module

import sparse_peft
from sparse_peft.methods import all_methods

BEHIND = f"{{}} is not what the code says any more; run `{write_api.COMMAND}` and commit it"
OFFERED = [*write_api.library(), *write_api.beside()]
MATHS = [entry for module in write_api.maths() for entry in module.entries()]
FOR_METHODS = [entry for module in write_api.for_methods() for entry in module.entries()]
COLLECTIONS = {"dict", "list", "Callable", "Iterable", "Iterator", "Mapping", "Sequence"}


@pytest.fixture
def module(tmp_path: Path) -> Module:
    """A module with everything that the reference shows."""
    file = tmp_path / "shown.py"
    file.write_text(
        '''"""What it is for."""
from dataclasses import dataclass
@dataclass(frozen=True)
class Row:
    """A row."""
    length: int = 3
    """Entries of *it*."""
    _hidden: int = 0
class Layer(Base):
    """A layer."""
    def __init__(self, size: int, *, bias: bool = True) -> None: ...
    @property
    def width(self) -> int:
        """How wide."""
    @overload
    def step(self, x: None) -> None: ...
    def step(self, x: Float[Tensor, " k"]) -> "Row":
        """Take a step.

        Args:
            x: where to,
                and where from.

        Raises:
            ValueError: nowhere.
        """
    def _private(self) -> None: ...
def _private() -> None: ...
'''
    )
    return Module(file, tmp_path)


def test_the_pages_are_what_the_code_says() -> None:
    assert write_api.API.read_text(encoding="utf-8") == write_api.api_page(), BEHIND.format(
        "docs/api.md"
    )


def test_the_page_of_methods_is_what_the_registry_says() -> None:
    page = methods.methods_page(write_api.COMMAND)
    assert write_api.METHODS.read_text(encoding="utf-8") == page, BEHIND.format("docs/methods.md")


def test_writing_the_reference_imports_nothing_heavy() -> None:
    code = "import sys, write_api; write_api.api_page(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=write_api.ROOT / "scripts", capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_the_library_is_what_can_be_imported_from_it() -> None:
    assert [entry.name for entry in write_api.library()] == sparse_peft.__all__


def test_every_method_has_its_row_and_its_text() -> None:
    page = write_api.METHODS.read_text(encoding="utf-8")
    for name, method in all_methods().items():
        assert f"| [{method.label}](#{method.label.lower()}) |" in page
        assert f"\n## {method.label}\n\n{method.title} (`{name}`)" in page


@pytest.mark.parametrize("entry", OFFERED + MATHS + FOR_METHODS, ids=lambda e: f"{e.path}:{e.name}")
def test_what_is_public_says_what_it_is(entry: Entry) -> None:
    for doc in [entry.doc, *(part.doc for part in entry.methods())]:
        first = doc.partition("\n")[0]
        assert first, f"{entry.path}: {entry.name} has a public part without a docstring"
        assert first[-1] in ".:", f"{entry.path}: {entry.name}: {first!r} is no sentence"


@pytest.mark.parametrize("entry", OFFERED + MATHS, ids=lambda e: f"{e.path}:{e.name}")
def test_every_tensor_that_goes_in_or_comes_out_has_a_shape(entry: Entry) -> None:
    annotations = [*entry.annotations(), *(a for p in entry.methods() for a in p.annotations)]
    bare = [ast.unparse(a) for a in annotations if any(_shapeless(a))]
    assert bare == [], f"{entry.path}: {entry.name}"


def _shapeless(node: ast.AST) -> Iterator[str]:
    """Names of single tensors in an annotation that stand in no `Float[Tensor, "..."]`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _shapeless(ast.parse(node.value, mode="eval"))
    elif isinstance(node, ast.Name | ast.Attribute):
        if ast.unparse(node).rpartition(".")[2] == "Tensor":
            yield ast.unparse(node)
    elif not (isinstance(node, ast.Subscript) and (_names_a_shape(node) or _is_collection(node))):
        for part in ast.iter_child_nodes(node):
            yield from _shapeless(part)


def _names_a_shape(node: ast.Subscript) -> bool:
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
    last = inner[-1] if inner else None
    return isinstance(last, ast.Constant) and isinstance(last.value, str)


def _is_collection(node: ast.Subscript) -> bool:
    """Whether it holds or passes tensors that need not be alike."""
    return ast.unparse(node.value) in COLLECTIONS


@pytest.mark.parametrize(
    ("annotation", "count"),
    [
        ("Tensor", 1),
        ("'torch.Tensor | None'", 1),
        ("tuple[Int[Tensor, ' k'], Tensor]", 1),
        ("Float[Tensor, 'out in'] | None", 0),
        ("dict[str, Tensor]", 0),
        ("int", 0),
    ],
)
def test_a_tensor_without_a_shape_is_found(annotation: str, count: int) -> None:
    assert len(list(_shapeless(ast.parse(annotation, mode="eval").body))) == count


@pytest.mark.parametrize("page", ["api.md", "methods.md"])
def test_every_link_within_a_page_has_its_heading(page: str) -> None:
    text = (write_api.ROOT / "docs" / page).read_text(encoding="utf-8")
    wanted = re.findall(r"\]\(#([^)]+)\)", text)
    anchors = markdown.Anchors()
    headings = re.findall(r"^#{2,} \[?([^\]\n]+)", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    there = [anchors.taken(heading) for heading in headings]
    assert wanted
    assert set(wanted) <= set(there)
    assert len(set(wanted)) == len(wanted)


def test_signatures_are_read_without_what_only_python_needs(module: Module) -> None:
    row, layer = module.entries()
    assert row.signature == "Row(length: int = 3)"
    assert layer.signature == "Layer(size: int, *, bias: bool = True)"
    assert [part.signature for part in layer.methods()] == [
        "width: int",
        'step(x: Float[Tensor, "k"]) -> Row',
    ]


def test_a_docstring_becomes_markdown(module: Module) -> None:
    row, layer = module.entries()
    assert "- `length: int = 3`: Entries of \\*it\\*." in markdown.entry_text(row, level=3)
    text = markdown.entry_text(layer, level=3)
    assert "  - `x`: where to, and where from." in text
    assert "  **Raises** `ValueError`: nowhere." in text


def test_code_and_papers_in_a_docstring_are_shown_as_such() -> None:
    text = markdown.prose("See arXiv:2505.12532.\n\n    a = b * c\n\nSource: `a_b`, of _private.")
    assert text == (
        "See [arXiv:2505.12532](https://arxiv.org/abs/2505.12532).\n\n"
        "```python\na = b * c\n```\n\n**Source** `a_b`, of \\_private."
    )


def test_a_name_is_followed_to_where_it_is_defined(tmp_path: Path, module: Module) -> None:
    outer = tmp_path / "outer.py"
    outer.write_text(
        '"""What others import."""\nfrom shown import Row\n__all__ = ["Row", "KIND"]\n'
    )
    [row] = Module(outer, tmp_path).entries()
    assert (row.name, row.path) == ("Row", "shown.py")
    with pytest.raises(ValueError, match="no function or class called dataclasses"):
        module.named("dataclasses")


def test_a_field_shows_its_default_and_its_help(tmp_path: Path) -> None:
    file = tmp_path / "fields.py"
    file.write_text(
        "from dataclasses import dataclass, field\n"
        "@dataclass\n"
        "class Config(peft.PeftConfig):\n"
        "    seeds: bool = field(default=False, metadata={'help': 'Whether.'})\n"
        "    splits: dict = field(default_factory=dict)\n"
    )
    [config] = Module(file, tmp_path).entries()
    assert config.signature == "Config(seeds: bool = False, splits: dict = dict())"
    text = markdown.entry_text(config, level=3)
    assert "- `seeds: bool = False`: Whether." in text
    assert "Takes what `peft.PeftConfig` takes, too: `base_model_name_or_path = None`, " in text


def test_a_page_shows_what_an_optimizer_holds_and_what_a_setting_inherits() -> None:
    page = write_api.API.read_text(encoding="utf-8")
    assert "- `sampled: dict[Tensor, Tensor]`: " in page
    assert "`n_frequency = 2592`, `scaling = 25.0`" in page


def test_no_two_headings_are_alike() -> None:
    text = re.sub(r"```.*?```", "", write_api.API.read_text(encoding="utf-8"), flags=re.S)
    headings = re.findall(r"^#{2,} (.+)$", text, re.M)
    assert len(set(headings)) == len(headings)
    assert "maths.sampled_gradients.sampled_gradients" in headings
