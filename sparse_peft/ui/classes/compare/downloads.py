"""What a person takes away from a few-shot comparison as files."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sparse_peft.compare.classes import predictions
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import RunError
from sparse_peft.tasks.fewshot.recipe import SCRIPT
from sparse_peft.ui.classes import backbones
from sparse_peft.ui.classes.compare import merging
from sparse_peft.ui.comparisons import mine, shipped
from sparse_peft.ui.desk.desk import Desk

_CHUNK = 1 << 20
_MERGED = re.compile(r"merged-([\w-]+)\.zip", re.ASCII)
_SCRIPTS = re.compile(r"classify-([\w-]+)\.py", re.ASCII)

Comparison = Mapping[str, Any]


def name(value: Comparison) -> str:
    """toys-4-shots, toys-all-pictures: what is compared, fit for a file name."""
    title = re.sub(r"[\W_]+", "-", str(value["dataset"]["title"])).strip("-") or "classes"
    shots = value["shots"]
    return f"{title}-all-pictures" if shots is None else f"{title}-{shots}-shots"


def read_me(value: Comparison) -> str:
    """What stands beside adapters, before each of them is named."""
    backbone = value["backbone"]
    reads = backbones.reads_words(backbone["id"])
    whose = "CLIP" if reads else backbone["title"] or backbone["id"]
    return "\n".join(
        [
            f"Adapters of {whose} for {len(value['classes'])} classes, made with Sparse PEFT"
            " Studio.",
            "",
            f"Backbone: {backbone['id']}, weights sha256 {backbone['sha256'] or 'unknown'}.",
            f"CLIP reads: {value['template']}"
            if reads
            else "Beside each adapter is the linear head that was trained with it.",
            "Each folder holds one adapter; its adapter.json says how it was made, its",
            "classifier.json what is needed to classify with it.",
        ]
    )


def predictions_csv(desk: Desk, comparison: str) -> str:
    """One row a method, seed and test picture, as RFC 4180 has it.

    Raises:
        RunError: the comparison is not about classes, or it cannot be read.
    """
    if shipped.is_there(comparison):
        return shipped.read(comparison)(shipped.PREDICTIONS).decode()
    outcome = mine.opened(desk, comparison)
    if not isinstance(outcome, ClassesOutcome):
        raise RunError("This comparison is about one subject; it has no classes.")
    return predictions(outcome)


def merged(desk: Desk, comparison: str, what: str) -> tuple[Iterator[bytes], str] | None:
    """A merged checkpoint with its script as a ZIP, and what the file is called.

    None: what is asked for is no such thing.

    Raises:
        RunError: the checkpoint is not there.
    """
    found = _MERGED.fullmatch(what)
    if not found:
        return None
    folder = merging.folder_of(desk, mine.comparison(desk, comparison), found[1])
    reads = backbones.reads_words(mine.classes_plan(desk, comparison).backbone)
    return zipped(folder), f"{found[1]}-{'open-clip' if reads else 'timm'}.zip"


def script(desk: Desk, comparison: str, what: str) -> tuple[bytes, str] | None:
    """The script that classifies with a merged checkpoint; None, RunError: as in `merged`."""
    found = _SCRIPTS.fullmatch(what)
    if not found:
        return None
    folder = merging.folder_of(desk, mine.comparison(desk, comparison), found[1])
    return (folder / SCRIPT).read_bytes(), SCRIPT


def zipped(folder: Path) -> Iterator[bytes]:
    """A folder's files as a ZIP, piece by piece: a checkpoint is too large to write down twice."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            inside = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo.from_file(path, inside)
            with path.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    yield sink.taken()
    yield sink.taken()


class _Sink:
    """Where an archive writes, and what it has written since the last look."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """There is nothing to close."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
