"""The house stands: imports go down, light rooms stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sparse_peft"
FLOORS = [
    {"errors"},
    {"tables", "files", "maths", "metrics"},
    {"tuners"},
    {"methods", "backbones", "data"},
    {"tasks"},
    {"presets", "runs"},
    {"planning", "report"},
    {"underway", "comparison", "drawing", "classifying"},
    {"measure"},
    {"compare"},
    {"outcome"},
    {"commands", "ui"},
    {"__main__", "__init__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = ("torch", "diffusers", "transformers", "peft", "open_clip", "timm")
METHODS = sorted(path.stem for path in (PACKAGE / "methods").glob("[!_]*.py"))
LIGHT = [
    *(f"methods.{name}" for name in METHODS),
    "errors", "tables", "files", "presets", "planning", "outcome", "compare", "report.page",
    "underway", "comparison", "measure", "drawing", "classifying",
    "planning.classes", "outcome.classes", "compare.classes",
    "methods", "tuners.snell.settings", "maths.snell.competition",
    "metrics.pictures", "metrics.pairs",
    "backbones.source", "backbones.diffusion.source", "backbones.clip.source",
    "backbones.vision.source",
    "data.subject", "data.words.prompts", "data.labelled", "data.shots",
    "data.classes.folders", "data.published.benchmarks", "tasks.dreambooth.recipe", "tasks.job",
    "tasks.fewshot.recipe",
    "runs.spec", "runs.events", "runs.run", "runs.store", "runs.runner", "runs.client",
    "runs.launchers.local", "commands.parser", "__main__",
]  # fmt: skip


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the house that a file imports, wherever in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "sparse_peft":
                names = [f"sparse_peft.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("sparse_peft.")}
    return rooms


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    assert here in FLOOR, f"{here} stands on no floor"
    for there in imported_rooms(path) - {here}:
        assert FLOOR[there] < FLOOR[here], f"{here} (floor {FLOOR[here]}) imports {there}"


def test_relative_imports_are_not_used() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_light_rooms_import_nothing_heavy() -> None:
    code = "import sys\n" + "".join(f"import sparse_peft.{name}\n" for name in LIGHT)
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_function_and_no_file_is_too_long() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_every_module_that_writes_shapes_has_them_checked(pytestconfig: pytest.Config) -> None:
    *checked, checker = str(pytestconfig.getoption("jaxtyping_packages")).split(",")
    assert checker == "beartype.beartype"
    for path in PACKAGE.rglob("*.py"):
        if "jaxtyping" in path.read_text(encoding="utf-8"):
            module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            assert any(f"{module}.".startswith(f"{package}.") for package in checked), module
