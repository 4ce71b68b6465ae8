"""The names that `sparse_peft` offers: found late, typed, and each where it says."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sparse_peft

FILE = Path(sparse_peft.__file__)
ROOT = FILE.parents[1]
MYPY = Path(sys.executable).with_name("mypy")


def imports_for_type_checkers() -> dict[str, str]:
    """Each name and the module from which a type checker takes it."""
    return {
        alias.name: str(node.module)
        for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sparse_peft.")
        for alias in node.names
    }


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, sparse_peft; print({'torch', 'peft', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", sparse_peft.__all__)
def test_a_name_is_the_one_of_its_home(name: str) -> None:
    home = importlib.import_module(f"sparse_peft.{sparse_peft._HOMES[name]}")
    assert getattr(sparse_peft, name) is getattr(home, name)
    assert getattr(sparse_peft, name).__module__ == home.__name__


def test_people_and_type_checkers_see_the_same_names() -> None:
    homes = {name: f"sparse_peft.{home}" for name, home in sparse_peft._HOMES.items()}
    assert imports_for_type_checkers() == homes
    assert sorted(homes) == sorted(sparse_peft.__all__)


def test_what_it_offers_is_listed_before_it_is_used() -> None:
    assert set(sparse_peft.__all__) <= set(dir(sparse_peft))
    assert "__version__" in dir(sparse_peft)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'So'"):
        _ = sparse_peft.So
    with pytest.raises(ImportError, match="cannot import name 'So'"):
        exec("from sparse_peft import So")


SCRIPT = """
from sparse_peft import SO, SnellConfig, WaveFTConfig, sampled_gradients
reveal_type(SO.refresh)
reveal_type(sampled_gradients)
from sparse_peft import Wavefront
"""


@pytest.mark.slow
def test_a_type_checker_knows_the_names_and_no_others(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    # Text of its own: mypy's cache would tell of the same text at the place where it was before.
    script.write_text(f"{SCRIPT}# {tmp_path}\n")
    done = subprocess.run(
        [MYPY, "--strict", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    mine = [line for line in done.stdout.splitlines() if line.startswith(str(script))]
    told = "\n".join(mine)
    assert "def (self: sparse_peft.tuners.so.optimizer.SO)" in told, done.stdout + done.stderr
    assert "so: sparse_peft.tuners.so.optimizer.SO" in told
    assert [line for line in mine if ": error:" in line] == [
        f'{script}:5: error: Module "sparse_peft" has no attribute "Wavefront"  [attr-defined]'
    ]


def test_type_checkers_are_told_that_there_are_types() -> None:
    assert (FILE.parent / "py.typed").is_file()
