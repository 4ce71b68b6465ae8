"""What a person takes away from a comparison: pictures, report, numbers and adapters as files."""

import io
import json
import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.errors import RunError
from sparse_peft.report.page import page
from sparse_peft.report.pictures import Read
from sparse_peft.report.subject import grid
from sparse_peft.report.subject.pictures_csv import pictures_csv
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER
from sparse_peft.ui.classes import backbones
from sparse_peft.ui.classes.compare import downloads as compare_downloads
from sparse_peft.ui.comparisons import live, mine, shipped
from sparse_peft.ui.desk.desk import Desk

PEFT = "Opens in: this studio, PEFT. Not in ComfyUI or A1111 yet."
STUDIO = "Opens in: this studio only."
CHECKPOINT = "Opens in: this studio. Made into a checkpoint, in {}."
ALL_ADAPTERS = "adapters.zip"
STALE_SECONDS = 3600  # an archive that nobody fetched for so long is removed
_COMING = ".adapters-"

Comparison = Mapping[str, Any]
Download = tuple[Path | bytes | Iterator[bytes], str, str]


def make(desk: Desk, comparison: str, what: str) -> Download:
    """A download: its content, or a file that the caller removes once it is sent; type and name.

    Args:
        comparison: an id, several joined by +, or that of one that comes with the studio.
        what: grid.png, report.html, comparison.json, pictures.csv, adapters.zip, or
            adapter-<run>.zip with the run's name in the comparison; of classes, predictions.csv
            in place of pictures and grid, and merged-<run>.zip and classify-<run>.py too.

    Raises:
        UserError: the comparison is not there or someone else's, or it has no such thing.
    """
    value = live.comparison_of(desk, comparison)
    try:
        if value["task"] != live.SUBJECT:
            return _of_classes(desk, comparison, value, what)
        if what in _MADE:
            kind, ending, content = _MADE[what]
            return content(value, live.read_of(desk, comparison)), kind, _name(value) + ending
        return _adapters(desk, comparison, value, what)
    except FileNotFoundError as error:
        raise RunError("Some of its files are being removed or made anew. Try again.") from error


def _of_classes(desk: Desk, comparison: str, value: Comparison, what: str) -> Download:
    start = compare_downloads.name(value)
    if what == "predictions.csv":
        rows = compare_downloads.predictions_csv(desk, comparison)
        return rows.encode(), "text/csv", f"{start}-predictions.csv"
    if what == "report.html":
        content = page(value, live.read_of(desk, comparison)).encode()
        return content, "text/html", f"{start}.html"
    if what == "comparison.json":
        return _json(value, live.read_of(desk, comparison)), "application/json", f"{start}.json"
    if shipped.is_there(comparison):
        return _adapters(desk, comparison, value, what)
    if archive := compare_downloads.merged(desk, comparison, what):
        return archive[0], "application/zip", f"{start}-{archive[1]}"
    if script := compare_downloads.script(desk, comparison, what):
        return script[0], "text/x-python", script[1]
    return _adapters(desk, comparison, value, what)


def _grid(value: Comparison, read: Read) -> bytes:
    buffer = io.BytesIO()
    grid.draw(value, read).save(buffer, "PNG")
    return buffer.getvalue()


def _json(value: Comparison, _: Read) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


_MADE: Mapping[str, tuple[str, str, Callable[[Comparison, Read], bytes]]] = {
    "grid.png": ("image/png", ".png", _grid),
    "report.html": ("text/html", ".html", lambda value, read: page(value, read).encode()),
    "comparison.json": ("application/json", ".json", _json),
    "pictures.csv": ("text/csv", ".csv", lambda value, _: pictures_csv(value).encode()),
}


def _name(value: Comparison) -> str:
    """cat-139776-values: what is compared, fit for a file name."""
    if value["task"] != live.SUBJECT:
        return compare_downloads.name(value)
    noun = re.sub(r"[\W_]+", "-", value["noun"]).strip("-") or "comparison"
    return f"{noun}-{value['budget']}-values" if value["budget"] else noun


def _adapters(desk: Desk, comparison: str, value: Comparison, what: str) -> Download:
    """The adapters of all runs, or of one, with a word on what opens them."""
    runs = [run for run in trainings(value) if what in (ALL_ADAPTERS, f"adapter-{run['id']}.zip")]
    if not runs:
        raise RunError(f"There is no download {what[:40]!r} here.")
    kept = [run for run in runs if run["adapter"]]
    if shipped.is_there(comparison):
        raise RunError("The example comes without its adapters. Train your own to keep them.")
    if not kept:
        raise RunError("No adapter is there yet: it comes when its method has finished.")
    outcome = mine.opened(desk, comparison)
    folders = [(run, outcome.place(run["adapter"])) for run in kept]
    name = f"{_name(value)}-{'adapters' if what == ALL_ADAPTERS else kept[0]['id']}.zip"
    return _archive(desk.folder, value, folders), "application/zip", name


def trainings(value: Comparison) -> list[Mapping[str, Any]]:
    """Every training run; of classes a row has one for each seed."""
    if value["task"] == live.SUBJECT:
        return list(value["runs"])
    about = ("label", "knob", "source")
    return [
        run | {key: row[key] for key in about} for row in value["runs"] for run in row["runs"]
        if run["run"]
    ]  # fmt: skip


def _archive(
    home: Path, value: Comparison, folders: Sequence[tuple[Mapping[str, Any], Path]]
) -> Path:
    """A zip of adapters in a new file; what nobody fetched is removed."""
    home.mkdir(parents=True, exist_ok=True)
    for old in home.glob(f"{_COMING}*"):
        if time.time() - old.stat().st_mtime > STALE_SECONDS:
            old.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile(prefix=_COMING, suffix=".zip", dir=home, delete=False) as file:
        path = Path(file.name)
        try:
            with zipfile.ZipFile(file, "w") as archive:  # stored: weights do not get smaller
                archive.writestr("README.txt", _read_me(value, folders))
                for run, folder in folders:
                    for part in sorted(p for p in folder.rglob("*") if p.is_file()):
                        archive.write(part, f"{run['id']}/{part.relative_to(folder).as_posix()}")
        except BaseException:
            path.unlink()
            raise
    return path


def opens_in(adapter: Path) -> str:
    """Which programs open an adapter.

    PEFT would open one of a CLIP too, but open_clip's own model lacks the layers that it is for.
    """
    card = adapter / CLASSIFIER
    if card.is_file():
        reads = backbones.reads_words(str(tables.read_json(card).get("backbone")))
        return CHECKPOINT.format("open_clip" if reads else "timm")
    return PEFT if any(adapter.rglob("adapter_config.json")) else STUDIO


def _read_me(value: Comparison, folders: Sequence[tuple[Mapping[str, Any], Path]]) -> str:
    about = _about if value["task"] == live.SUBJECT else compare_downloads.read_me
    lines = [about(value)]
    for run, folder in folders:
        knob = f", {run['knob']}" if run["knob"] else ""
        lines += [
            "",
            f"{run['id']}: {run['label']}{knob}. {opens_in(folder)}",
            f"  {run['source']}",
        ]
    return "\n".join([*lines, ""])


def _about(value: Comparison) -> str:
    backbone = value["backbone"]
    return "\n".join(
        [
            f"Adapters of one {value['noun']}, made with Sparse PEFT Studio.",
            "",
            f"Backbone: {backbone['id']}, weights sha256 {backbone['sha256'] or 'unknown'}.",
            f'The subject is called "{value["token"]} {value["noun"]}" in prompts.',
            "Each folder holds one adapter; its adapter.json says how it was made.",
        ]
    )
