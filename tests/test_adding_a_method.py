"""The worked example of docs/adding_a_method.md is a method: the whole contract holds for it."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel

import sparse_peft.methods as registry
from sparse_peft.methods import all_methods
from sparse_peft.methods.method import MethodClass
from tests import test_contract as contract

PAGE = Path(__file__).parents[1] / "docs" / "adding_a_method.md"
RUFF = Path(sys.executable).with_name("ruff")
TESTS = [thing for name, thing in vars(contract).items() if name.startswith("test_")]


def code() -> str:
    """The only Python of the page."""
    [found] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return found


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MethodClass]:
    """The page's code, as a file that the registry finds."""
    folder = tmp_path / "more_methods"
    folder.mkdir()
    (folder / "ia3.py").write_text(code(), encoding="utf-8")
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(folder)])
    all_methods.cache_clear()
    yield all_methods()["ia3"]
    monkeypatch.undo()
    all_methods.cache_clear()
    sys.modules.pop("sparse_peft.methods.ia3", None)


def test_the_contract_is_all_there() -> None:
    assert len(TESTS) >= 15


@pytest.mark.parametrize("statement", TESTS, ids=lambda test: test.__name__)
def test_the_contract_holds(
    statement: Callable[..., None], example: MethodClass, tmp_path: Path
) -> None:
    parts = contract.components()
    shapes = contract.shapes(parts)
    chosen = example()
    assert chosen.budget_range(shapes) is None
    wanted = inspect.signature(statement).parameters
    given = {"kind": example, "parts": parts, "chosen": chosen, "tmp_path": tmp_path / "adapter"}
    (tmp_path / "adapter").mkdir()
    if "attached" in wanted:
        given["attached"] = chosen.attach(parts, contract.TARGETS, contract.PLAN)
        given["attached"].optimizer(contract.LR)
    statement(**{name: given[name] for name in wanted})


def test_plain_peft_opens_what_it_saved(example: MethodClass, tmp_path: Path) -> None:
    parts = contract.components()
    attachment = example().attach(parts, contract.TARGETS, contract.PLAN)
    for number in range(3):
        contract.step(parts, attachment, number)
    attachment.save(tmp_path / "adapter")
    fresh = contract.components()
    opened = {
        name: PeftModel.from_pretrained(part, tmp_path / "adapter" / name)
        for name, part in fresh.items()
    }
    assert torch.equal(contract.output(opened), contract.output(parts))


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_it_passes_the_gate_as_a_file_of_the_package(command: list[str]) -> None:
    as_file = ["--stdin-filename", "sparse_peft/methods/ia3.py", "-"]
    done = subprocess.run(
        [RUFF, *command, *as_file], input=code(), text=True, capture_output=True, check=False,
        cwd=PAGE.parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_it_is_not_part_of_the_package() -> None:
    assert "ia3" not in {path.stem for path in Path(registry.__file__).parent.glob("*.py")}
