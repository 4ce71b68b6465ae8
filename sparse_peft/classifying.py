"""What a few-shot comparison does after its training: classify a picture, merge an adapter."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparse_peft import files, tables
from sparse_peft.errors import RunError
from sparse_peft.planning import read_classes_plan
from sparse_peft.runs.spec import Input, Kind, RunSpec, new_id
from sparse_peft.runs.store import Store
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER, TASK, ClassifySettings, MergeSettings

PICTURES = "pictures"  # below a classify run's inputs


def classify_run(
    home: Path,
    comparison: str,
    pictures: Sequence[Path],
    classifiers: Mapping[str, Path],
    *,
    owner: str = "local",
    within: bool = False,
) -> RunSpec:
    """A run that says what each classifier takes some pictures for, ready for the store.

    Args:
        pictures: clean PNGs below the home folder, each under a name of its own.
        classifiers: folders with a classifier.json, by their name in the comparison.
        within: whether it belongs to the comparison and is removed with it.

    Raises:
        RunError: there is no such comparison, or a file that the run reads is missing.
        SpecError: the comparison is not about classes.
    """
    inputs = [_input(home, path, f"{PICTURES}/{path.name}") for path in pictures]
    for name, folder in classifiers.items():
        inputs += _folder(home, folder, name)
    settings = ClassifySettings(tuple(path.name for path in pictures), tuple(classifiers))
    return _run(home, "classify", comparison, settings, inputs, owner, within)


def merge_run(
    home: Path,
    comparison: str,
    name: str,
    classifier: Path,
    *,
    owner: str = "local",
    within: bool = False,
) -> RunSpec:
    """A run that makes an ordinary open_clip checkpoint of one adapter, ready for the store.

    Args:
        name: of the adapter's run in the comparison.
        classifier: its folder.
        within: as in `classify_run`.

    Raises:
        RunError, SpecError: as in `classify_run`.
    """
    inputs = _folder(home, classifier, name)
    return _run(home, "merge", comparison, MergeSettings(name), inputs, owner, within)


def _run(
    home: Path,
    kind: Kind,
    comparison: str,
    settings: ClassifySettings | MergeSettings,
    inputs: Sequence[Input],
    owner: str,
    within: bool,
) -> RunSpec:
    with Store(home) as store:
        read_classes_plan(store.comparison(comparison))
    owning = comparison if within else None
    content: dict[str, Any] = tables.table(settings)
    return RunSpec(new_id(), kind, owner, owning, content, tuple(inputs), task=TASK)


def _folder(home: Path, folder: Path, name: str) -> list[Input]:
    if not (folder / CLASSIFIER).is_file():
        raise RunError(f"{folder / CLASSIFIER} is missing. Train the comparison again.")
    return [
        _input(home, path, f"{name}/{path.relative_to(folder).as_posix()}")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _input(home: Path, path: Path, name: str) -> Input:
    if not path.is_file():
        raise RunError(f"{path} is missing. Train the comparison again.")
    return Input(name, path.relative_to(home).as_posix(), files.sha256(path))
