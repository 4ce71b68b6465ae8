"""The worked example of docs/adding_a_method.md is a method: the whole contract holds for it."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sparse_peft.methods as registry
from sparse_peft.methods import all_methods
from sparse_peft.methods.fields import settings
from sparse_peft.methods.method import MethodClass
from tests import test_contract as contract

PAGE = Path(__file__).parents[1] / "docs" / "adding_a_method.md"
TESTS = [thing for name, thing in vars(contract).items() if name.startswith("test_")]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MethodClass]:
    """The page's code block, as a file that the registry finds."""
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    folder = tmp_path / "more_methods"
    folder.mkdir()
    (folder / "loha.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(folder)])
    all_methods.cache_clear()
    yield all_methods()["loha"]
    monkeypatch.undo()
    all_methods.cache_clear()
    sys.modules.pop("sparse_peft.methods.loha", None)


def test_the_contract_is_all_there() -> None:
    assert len(TESTS) >= 15


@pytest.mark.parametrize("statement", TESTS, ids=lambda test: test.__name__)
def test_the_contract_holds(
    statement: Callable[..., None], example: MethodClass, tmp_path: Path
) -> None:
    parts = contract.components()
    shapes = contract.shapes(parts)
    smallest, step = example().budget_range(shapes)
    chosen = example().fit(smallest + 2 * step, shapes)
    wanted = inspect.signature(statement).parameters
    given = {"kind": example, "parts": parts, "chosen": chosen, "tmp_path": tmp_path / "adapter"}
    (tmp_path / "adapter").mkdir()
    if "attached" in wanted:
        given["attached"] = chosen.attach(parts, contract.TARGETS, contract.PLAN)
        given["attached"].optimizer(contract.LR)
    statement(**{name: given[name] for name in wanted})


def test_a_form_shows_the_example_and_its_text(example: MethodClass) -> None:
    [rank] = settings(example)
    assert (rank.name, rank.type, rank.default) == ("rank", "int", 4)
    assert "Rank of each" in rank.help
    assert "loha" not in {path.stem for path in Path(registry.__file__).parent.glob("*.py")}
