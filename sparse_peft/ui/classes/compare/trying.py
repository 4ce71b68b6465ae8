"""Trying a picture: what the references and every method of a comparison take it for."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.classifying import classify_run
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.data.findings import UnreadableError, shown
from sparse_peft.data.labelled import png_name
from sparse_peft.data.opening.clean import LABELLED
from sparse_peft.data.opening.folder import read_inside
from sparse_peft.data.opening.sandbox import Sandbox
from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.errors import DataError, RunError
from sparse_peft.files import write_bytes
from sparse_peft.report.classes.words import REFERENCES
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow, Store
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER, ZERO_SHOT, ClassifySettings
from sparse_peft.ui.clicks.starting import alone
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import Live

MOST_AT_ONCE = 12
TRIED = "tried"  # folder of the pictures beside a person's data sets
ALIVE = ("queued", "running", "finished")

Guess = tuple[str, float]  # a class, and how sure


@dataclass(frozen=True)
class Tried:
    """One picture that a person tried."""

    address: str
    run: Live
    classifiers: tuple[str, ...]
    """names of those that were asked, in the order of the rows"""
    said: Mapping[str, tuple[Guess, ...]]
    """for each of them its best classes, the surest first; empty before it has answered"""


def classifiers(outcome: ClassesOutcome) -> dict[str, Path]:
    """The folders that classify, by name: references first, then of each row the first training."""
    found: dict[str, Path] = {}
    for name in outcome.references:
        own = name if name == ZERO_SHOT else f"{name}-s{outcome.seeds[0]}"
        found[own] = outcome.place(f"adapters/{own}")
    done: dict[str, Path] = {}
    for run in outcome.runs:
        if run.state == "finished" and run.method not in done:
            done[run.method] = run.folder
            found[run.id] = run.folder / "adapter"
    return {name: folder for name, folder in found.items() if (folder / CLASSIFIER).is_file()}


def submit(desk: Desk, comparison: str | None, paths: Sequence[Path]) -> str:
    """Have pictures classified, and give the run that does it; a repeat gives the one before.

    Raises:
        DataError: too many of them, or one that cannot be read.
        RunError: nothing is there yet that could classify.
    """
    if not 1 <= len(paths) <= MOST_AT_ONCE:
        raise DataError(f"{len(paths)} pictures came at once; try 1 to {MOST_AT_ONCE}.")
    comparison = mine.comparison(desk, comparison or desk.open)
    outcome = mine.opened(desk, comparison)
    if not isinstance(outcome, ClassesOutcome):
        raise RunError("This comparison is about one subject; it has no classes.")
    found = classifiers(outcome)
    if not found:
        first = REFERENCES[outcome.references[0]]
        raise RunError(f"Nothing can classify yet. Try a picture as soon as {first} is measured.")
    cleaned = _cleaned(paths)
    with alone(desk):  # else what is deleted meanwhile would sweep them away
        pictures = _kept(cleaned, desk.home / "data" / desk.owner / TRIED)
        run = classify_run(desk.home, comparison, pictures, found, owner=desk.owner, within=True)
        with Store(desk.home) as store:
            for row in _asked(store.runs(comparison)):
                if RunDirectory.of(desk.home, row.id).spec.settings == run.settings:
                    return row.id
            store.submit(None, [run])
    client.ensure_runner(desk.home)
    return run.id


def tried(desk: Desk, runs: Mapping[str, Live]) -> list[Tried]:
    """All pictures that were tried on a comparison, newest first.

    Args:
        runs: of the comparison, in the order of submission.
    """
    found = []
    for run in reversed([run for run in runs.values() if run.kind == "classify"]):
        folder = RunDirectory.of(desk.home, run.id).path
        settings = _settings(folder)
        said = _said(folder) if run.state == "finished" else {}
        for name in settings.pictures:
            address = f"/studio/data/{TRIED}/{name}"
            found.append(Tried(address, run, settings.classifiers, said.get(name, {})))
    return found


def sweep(desk: Desk) -> None:
    """Delete the tried pictures that belong to no comparison any more."""
    with Store(desk.home) as store:
        rows = [row for one in store.comparisons(desk.owner) for row in store.runs(one)]
    asked = (row for row in rows if row.kind == "classify")
    needed = {
        name
        for row in asked
        for name in _settings(RunDirectory.of(desk.home, row.id).path).pictures
    }
    for path in (desk.home / "data" / desk.owner / TRIED).glob("*.png"):
        if path.name not in needed:
            path.unlink()


def _asked(rows: Sequence[RunRow]) -> list[RunRow]:
    return [row for row in rows if row.kind == "classify" and row.state in ALIVE]


def _cleaned(paths: Sequence[Path]) -> dict[str, bytes]:
    """Clean PNGs of the pictures, each once, by a name that follows from their content."""
    found: dict[str, bytes] = {}
    with Sandbox(sizes=LABELLED) as sandbox:
        for path in paths:
            try:
                png = sandbox.decode(read_inside(path, MOST_BYTES)).png
            except UnreadableError as error:
                raise DataError(f"{shown(path.name)} could not be read: {error}.") from error
            found[png_name(hashlib.sha256(png).hexdigest())] = png
    return found


def _kept(pictures: Mapping[str, bytes], into: Path) -> list[Path]:
    into.mkdir(parents=True, exist_ok=True)
    for name, png in pictures.items():
        write_bytes(into / name, png)
    return [into / name for name in pictures]


@lru_cache(maxsize=512)
def _settings(folder: Path) -> ClassifySettings:
    value = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return tables.build(ClassifySettings, value["settings"], str(folder))


def _said(folder: Path) -> Mapping[str, Mapping[str, tuple[Guess, ...]]]:
    """What each classifier said of each picture; nothing where the report is damaged."""
    path = folder / "report.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@lru_cache(maxsize=512)
def _read(path: Path, stamp: int) -> Mapping[str, Mapping[str, tuple[Guess, ...]]]:
    del stamp  # of another content: read anew
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {
        picture["name"]: {
            classifier: tuple((str(one["class"]), float(one["probability"])) for one in guesses)
            for classifier, guesses in picture["results"].items()
        }
        for picture in report["pictures"]
    }
