"""Published few-shot draws: which pictures were the shots, so that results compare.

Three forms are read. Where several tell of the same shots and seed, the first of these counts:
CoOp's `split_fewshot/shot_4-seed_1.pkl`; `split_fewshot/shot_4-seed_1_train.jsonl` of 2SFS; and
`shot_4-seed_1.json` of cross_modal_adaptation, in `indices/<data set>/` beside the set's folder or
in `indices/` below it. They name pictures by paths of somebody else's disk: the tail counts.

Source: KaiyangZhou/CoOp@ff61507 datasets/oxford_pets.py:36-51;
    FarinaMatteo/rethinking_fewshot_vlms@64ac143 datasets/utils.py;
    linzhiqiu/cross_modal_adaptation@ac9077e indices/.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.data.findings import Finding, shown
from sparse_peft.data.labelled import Labelled
from sparse_peft.data.published.datum_pickle import PickleRefusedError, read_train
from sparse_peft.data.published.layouts import Layout, folded, layout_named
from sparse_peft.data.published.rows import LONGEST_PATH, check_file
from sparse_peft.errors import DataError

_AGAIN = "Put the published file in its place, or move it away to have the shots drawn here."
_NAME = re.compile(r"shot_([1-9]\d{0,4})-seed_(\d{1,9})(\.pkl|_train\.jsonl|\.json)")

_Entries = list[tuple[Any, Any]]  # path and label of each shot, not yet checked


@dataclass(frozen=True)
class IndexFile:
    """A file that tells the shots of one draw."""

    path: Path
    shots: int
    seed: int

    @property
    def draw(self) -> str:
        """The key in `Labelled.drawn`."""
        return f"{self.shots}-{self.seed}"


def published_draws(labelled: Labelled, folder: Path) -> dict[str, tuple[int, ...]]:
    """Places in `labelled.pictures` by "shots-seed", of each draw that lies with a published set.

    Args:
        labelled: its title is the name of the set.
        folder: of the set.

    Raises:
        DataError: a file is damaged, holds code, or names what is no training picture of the set.
        SpecError: a file is not JSON.
    """
    layout = layout_named(labelled.title)
    used, _ = index_files(layout, folder)
    places = _places(labelled, layout) if used else {}
    return {file.draw: _draw(file, labelled, places) for file in used}


def index_findings(layout: Layout, folder: Path) -> tuple[Finding, ...]:
    """Which files tell the shots, and which are passed over."""
    used, passed = index_files(layout, folder)
    findings = []
    if used:
        text = f"Shots are drawn as published for these: {_names(used, folder)}."
        findings.append(Finding(None, "info", text))
    if passed:
        text = f"Passed over, since a file above tells the same draw: {_names(passed, folder)}."
        findings.append(Finding(None, "info", text))
    return tuple(findings)


def index_files(
    layout: Layout, folder: Path
) -> tuple[tuple[IndexFile, ...], tuple[IndexFile, ...]]:
    """The files that tell draws, one a draw, and those that tell a draw a second time."""
    used: dict[str, IndexFile] = {}
    passed = []
    for file in _found(layout, folder):
        if used.setdefault(file.draw, file) is not file:
            passed.append(file)
    return tuple(used.values()), tuple(passed)


def _found(layout: Layout, folder: Path) -> Iterator[IndexFile]:
    """All files that tell draws, those that count first in front."""
    yield from _files(folder / "split_fewshot", ".pkl")
    yield from _files(folder / "split_fewshot", "_train.jsonl")
    yield from _files(folder / "indices", ".json")
    for indices in (folder / "indices", folder.parent / "indices"):
        for below in sorted(indices.iterdir()) if indices.is_dir() else ():
            if folded(below.name) in layout.spellings:
                yield from _files(below, ".json")


def _files(folder: Path, ending: str) -> list[IndexFile]:
    if not folder.is_dir():
        return []
    named = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    files = [
        IndexFile(path, int(match[1]), int(match[2]))
        for path, match in named
        if match and match[3] == ending
    ]
    return sorted(files, key=lambda file: (file.shots, file.seed))


def _names(files: Iterable[IndexFile], folder: Path) -> str:
    """Where the files are, from the folder of all sets on."""
    return ", ".join(str(file.path.relative_to(folder.parent)) for file in files)


def _places(labelled: Labelled, layout: Layout) -> dict[str, int]:
    """Place by path below the folder of the pictures, which every form has in its paths."""
    start = f"{layout.images}/" if layout.images else ""
    return {
        picture.file.removeprefix(start): place for place, picture in enumerate(labelled.pictures)
    }


def _draw(file: IndexFile, labelled: Labelled, places: dict[str, int]) -> tuple[int, ...]:
    entries = _READERS[file.path.suffix](file.path)
    drawn = tuple(_place(file.path, labelled, places, *entry) for entry in entries)
    counts = Counter(labelled.pictures[place].label for place in drawn)
    for label, name in enumerate(labelled.classes):
        if not 1 <= counts[label] <= file.shots:
            raise DataError(
                f"{file.path} has {counts[label]} pictures of {shown(name)!r}; expected"
                f" {file.shots}. {_AGAIN}"
            )
    return drawn


def _place(path: Path, labelled: Labelled, places: dict[str, int], file: Any, label: Any) -> int:
    """The place of one shot in `labelled.pictures`."""
    if type(file) is not str or type(label) is not int or len(file) > LONGEST_PATH:
        raise DataError(f"{path} has a shot without a path or a label. {_AGAIN}")
    parts = file.split("/")
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    place = next((places[tail] for tail in tails if tail in places), None)
    if place is None:
        raise DataError(
            f"{path} names {shown(file)!r}, which is not in {labelled.title} at {labelled.root}."
            f" {_AGAIN}"
        )
    picture = labelled.pictures[place]
    if picture.split != "train":
        raise DataError(
            f"{path} names {shown(file)!r}, a picture of {picture.split} and not of train. {_AGAIN}"
        )
    if picture.label != label:
        raise DataError(
            f"{path} gives {shown(file)!r} the label {label}, the split {picture.label}. {_AGAIN}"
        )
    return place


def _read_coop(path: Path) -> _Entries:
    check_file(path)
    try:
        return [*read_train(path.read_bytes())]
    except PickleRefusedError as error:
        raise DataError(
            f"{path} holds {error}, which no few-shot file of CoOp does; nothing of it was run."
            f" {_AGAIN}"
        ) from error


def _read_2sfs(path: Path) -> _Entries:
    check_file(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a JSON table a line. {_AGAIN}") from error
    return _keyed(path, entries, "_impath", "_label")


def _read_cross_modal(path: Path) -> _Entries:
    check_file(path)
    train = tables.read_json(path).get("train")
    entries = train.get("data") if isinstance(train, dict) else None
    if not isinstance(entries, list):
        raise DataError(f"{path} has no train.data. {_AGAIN}")
    return _keyed(path, entries, "impath", "label")


def _keyed(path: Path, entries: Sequence[Any], file: str, label: str) -> _Entries:
    if not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{path} has a shot that is no table. {_AGAIN}")
    return [(entry.get(file), entry.get(label)) for entry in entries]


_READERS: dict[str, Callable[[Path], _Entries]] = {
    ".pkl": _read_coop,
    ".jsonl": _read_2sfs,
    ".json": _read_cross_modal,
}
