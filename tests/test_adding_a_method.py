"""The worked example of docs/adding_a_method.md is a method: the whole contract holds for it.

And for BOFT as PEFT does it, whose sizes are few and unevenly spaced, and whose layers warn.
"""

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
from sparse_peft.methods.method import Method, MethodClass
from tests import test_contract as contract

PAGE = Path(__file__).parents[1] / "docs" / "adding_a_method.md"
RUFF = Path(sys.executable).with_name("ruff")
TESTS = [thing for name, thing in vars(contract).items() if name.startswith("test_")]


def code() -> str:
    """The only Python of the page."""
    [found] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return found


BOFT = '''
import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

from sparse_peft.methods.method import Footprint
from sparse_peft.methods.sizes import matrices, refuse_below


@dataclass(frozen=True)
class BOFT:
    """Each weight is turned by a block-diagonal matrix, and each output has a length."""

    name: ClassVar[str] = "boft"
    title: ClassVar[str] = "Orthogonal Butterfly"
    label: ClassVar[str] = "BOFT"
    family: ClassVar[str] = "snell"
    sentence: ClassVar[str] = "Turns the inputs of each layer, and learns a length for each output."
    source: ClassVar[str] = "Liu et al. 2024, arXiv:2311.06243; code: huggingface/peft v0.21.2"
    starts_at_base: ClassVar[bool] = True

    block_size: int = 4
    """Inputs that are turned together; it divides the inputs of each layer."""

    def _sizes(self, shapes):
        common = math.gcd(*(into for _, into in matrices(shapes, self.label)))
        return [replace(self, block_size=n) for n in range(2, common + 1) if common % n == 0]

    def _count(self, shapes):
        return sum(into * self.block_size + out for out, into in matrices(shapes, self.label))

    def budget_range(self, shapes):
        counts = [each._count(shapes) for each in self._sizes(shapes)[:2]]
        return counts[0], counts[-1] - counts[0] or 1

    def fit(self, budget, shapes):
        refuse_below(self.budget_range(shapes)[0], budget, self.label, "the smallest blocks")
        return [each for each in self._sizes(shapes) if each._count(shapes) <= budget][-1]

    def knob(self, shapes):
        return f"blocks of {self.block_size}"

    def footprint(self, shapes, plan):
        return Footprint.dense(self._count(shapes))

    def tensors(self, shape):
        return ("boft_R", "boft_s")

    def attach(self, components, targets, plan):
        from peft import BOFTConfig
        from sparse_peft.tuners.attachments.peft import PeftAttachment

        config = BOFTConfig(boft_block_size=self.block_size)
        with warnings.catch_warnings():
            # PEFT's plain way and its compiled one give the same.
            warnings.filterwarnings("ignore", message="Failed to load the CUDA extension")
            warnings.filterwarnings("ignore", message="Setting boft_n_butterfly_factor")
            return PeftAttachment(components, targets, config, plan.seed, change=_turned)


def _turned(layer):
    from sparse_peft.tuners.layout import ADAPTER

    rotation, length = layer.get_delta_weight(ADAPTER)
    weight = layer.get_base_layer().weight.float()
    return (rotation.float() @ weight.T).T * length.float() - weight
'''


def from_file(
    name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MethodClass]:
    """A method whose file the registry finds in a further folder."""
    folder.mkdir()
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(folder)])
    all_methods.cache_clear()
    yield all_methods()[name]
    monkeypatch.undo()
    all_methods.cache_clear()
    sys.modules.pop(f"sparse_peft.methods.{name}", None)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MethodClass]:
    """The page's code."""
    yield from from_file("ia3", code(), tmp_path / "more_methods", monkeypatch)


@pytest.fixture
def boft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MethodClass]:
    """A method with uneven sizes."""
    yield from from_file("boft", BOFT, tmp_path / "more_methods", monkeypatch)


def hold(statement: Callable[..., None], kind: MethodClass, chosen: Method, folder: Path) -> None:
    """Run one test of the contract on a method that is not in the package."""
    folder.mkdir()
    parts = contract.components()
    wanted = inspect.signature(statement).parameters
    given = {"kind": kind, "parts": parts, "chosen": chosen, "tmp_path": folder}
    if "attached" in wanted:
        given["attached"] = chosen.attach(parts, contract.TARGETS, contract.PLAN)
        given["attached"].optimizer(contract.LR)
    statement(**{name: given[name] for name in wanted})


def test_the_contract_is_all_there() -> None:
    assert len(TESTS) >= 15


@pytest.mark.parametrize("statement", TESTS, ids=lambda test: test.__name__)
def test_the_contract_holds(
    statement: Callable[..., None], example: MethodClass, tmp_path: Path
) -> None:
    assert example().budget_range(contract.shapes(contract.components())) is None
    hold(statement, example, example(), tmp_path / "adapter")


@pytest.mark.parametrize("statement", TESTS, ids=lambda test: test.__name__)
def test_it_holds_for_a_method_with_uneven_sizes(
    statement: Callable[..., None], boft: MethodClass, tmp_path: Path
) -> None:
    shapes = contract.shapes(contract.components())
    smallest, step = boft().budget_range(shapes) or (0, 0)
    third = boft().fit(smallest + 2 * step, shapes)
    assert third.footprint(shapes, contract.PLAN).active < smallest + 2 * step  # uneven
    hold(statement, boft, boft().fit(10**6, shapes), tmp_path / "adapter")


def lazy(fit: Callable[..., Method], most: int) -> Callable[..., Method]:
    """A `fit` that never spends more than `most`."""
    return lambda self, budget, shapes: fit(self, min(budget, most), shapes)


@pytest.mark.parametrize("name", ["boft", *sorted(all_methods().keys() - {"full"})])
def test_the_contract_refuses_a_fit_that_leaves_out_larger_sizes(
    name: str, boft: MethodClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, parts = boft if name == "boft" else all_methods()[name], contract.components()
    smallest, step = kind().budget_range(contract.shapes(parts)) or (0, 0)
    tests = (
        contract.test_a_fitted_method_is_within_the_budget_and_the_next_size_is_not,
        contract.test_where_sizes_are_evenly_spaced_none_is_left_out,
    )
    tests[0](kind, parts)
    # BOFT has no third size that could be left out.
    for most in (smallest,) if name == "boft" else (smallest, smallest + step):
        with monkeypatch.context() as patch, pytest.raises(AssertionError):  # noqa: PT012
            patch.setattr(kind, "fit", lazy(kind.fit, most))
            for statement in tests:
                statement(kind, parts)


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
    stems = {path.stem for path in Path(registry.__file__).parent.glob("*.py")}
    assert not stems & {"ia3", "boft"}
