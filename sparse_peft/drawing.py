"""A new prompt for a finished comparison, as a run: drawn by the base and by every method."""

from collections.abc import Mapping
from pathlib import Path

from sparse_peft import files, tables
from sparse_peft.errors import RunError
from sparse_peft.planning import read_subject_plan
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import Input, RunSpec, new_id
from sparse_peft.runs.store import Store
from sparse_peft.tasks.dreambooth.recipe import GenerateSettings


def generate_run(
    home: Path,
    comparison: str,
    trained: Mapping[str, str],
    prompt: str,
    seed: int,
    *,
    owner: str = "local",
    within: bool = False,
) -> RunSpec:
    """A generate run, ready for the store.

    Args:
        trained: the runs with an adapter to draw with, by their name in the comparison.
        prompt: may hold {subject}.
        within: whether it belongs to the comparison and is removed with it.

    Raises:
        RunError: there is no such comparison, or a file that the run reads is missing.
        SpecError: the comparison is not about one subject.
    """
    with Store(home) as store:
        content = read_subject_plan(store.comparison(comparison))
    prepared = RunDirectory.of(home, content.prepare).path
    inputs = [_input(home, prepared / "shared.safetensors", "shared.safetensors")]
    for name, run in trained.items():
        adapter = RunDirectory.of(home, run).adapter
        inputs += [
            _input(home, path, f"{name}/{path.relative_to(adapter).as_posix()}")
            for path in sorted(adapter.rglob("*"))
            if path.is_file()
        ]
    settings = GenerateSettings(content.shared, prompt, (seed,), tuple(trained))
    owning = comparison if within else None
    return RunSpec(new_id(), "generate", owner, owning, tables.table(settings), tuple(inputs))


def _input(home: Path, path: Path, name: str) -> Input:
    if not path.is_file():
        raise RunError(f"{path} is missing. Train the comparison again.")
    return Input(name, path.relative_to(home).as_posix(), files.sha256(path))
