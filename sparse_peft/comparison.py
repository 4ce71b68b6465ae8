"""One comparison as it stands: its settings, its runs, and where the files behind its paths lie."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

REPORT = "report.json"  # of a run, written when it has done its work
BASE = "base"  # the column of the untouched backbone
THUMBNAIL_SIDE = 96  # pixels, longer side, of the pictures that a confusion matrix opens
PICTURE_SIDE = 256  # pixels of the person's pictures as they are kept beside the results


@dataclass(frozen=True)
class RunOutcome:
    """One training run as a comparison needs it; what it measured is read from its folder."""

    id: str
    """name within the comparison, used in paths: waveft, or waveft-2 for its second training"""
    run: str
    """id in the store: what `resume` takes"""
    folder: Path
    method: str
    label: str
    family: str
    source: str
    """the paper to cite"""
    state: str
    """queued, running, finished, cancelled, failed or interrupted"""
    error: str | None
    attempts: int
    settings: Mapping[str, Any]
    """as planned: lr, steps, seed, preset and the rest of the training's"""
    command: str
    """the command line that repeats this run alone"""
    knob: str | None = None
    """as planned, as are the next two; what a report says replaces them"""
    over_budget: bool = False
    footprint: Mapping[str, Any] | None = None
    preset_steps: int | None = None
    """steps that the preset itself has; `settings` says how many were asked for"""


@dataclass(frozen=True)
class ClassesOutcome:
    """One few-shot comparison as it stands: its settings, and the folders of its runs."""

    id: str
    task: str
    backbone: str
    """as asked for: builtin, a folder or a name of open_clip"""
    dataset: str
    """id of the pictures below data/"""
    title: str
    """of the data set"""
    published: bool
    """whether it is a published set that stays where it is"""
    classes: tuple[str, ...]
    new_classes: tuple[str, ...]
    """only tested on: base-to-new; else none"""
    shots: int | None
    """none: every training picture"""
    seeds: tuple[int, ...]
    template: str
    budget: int | None
    preset: str
    reproduces: str
    """what a published preset gave; empty for this project's own"""
    references: tuple[str, ...]
    """rows made by the prepare run, the one first that all others are compared with: zeroshot,
    perhaps linear_probe; of a vision backbone linear_probe alone"""
    command: str
    prepare: Path
    """folder of the prepare run, finished or not"""
    prepare_state: str
    prepare_error: str | None
    runs: tuple["RunOutcome", ...]
    """one for each method and seed, in the order of the methods"""
    pictures: Mapping[int, Path]
    """the person's pictures by their place in data.json"""
    names: Mapping[int, str] = field(default_factory=dict)
    """what the person called them, by the same"""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    """what all trainings have in common: targets, augmentation, precision and the like"""

    @property
    def prepared(self) -> bool:
        """Whether the prepare run has left its report: until then nothing can be measured."""
        return (self.prepare / REPORT).is_file()

    def place(self, path: str) -> Path:
        """The file, or the folder of an adapter or classifier, behind a path of the comparison.

        Raises:
            KeyError: there is no such run.
        """
        kind, name = PurePosixPath(path).parts
        if kind == "pictures":
            return self.pictures[int(PurePosixPath(name).stem)]
        if name.partition("-")[0] in self.references:
            return self.prepare / "classifiers" / name
        folder = {run.id: run.folder for run in self.runs}[name.removesuffix(".png")]
        return folder / ("change.png" if kind == "changes" else "adapter")

    def content(self, path: str) -> bytes:
        """What a file of the written comparison holds; pictures as thumbnails."""
        if PurePosixPath(path).parts[0] != "pictures":
            return self.place(path).read_bytes()
        buffer = io.BytesIO()
        with Image.open(self.place(path)) as picture:
            small = picture.convert("RGB")
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        small.save(buffer, "PNG")
        return buffer.getvalue()


@dataclass(frozen=True)
class ComparisonOutcome:
    """One comparison as it stands: its settings, and the folders of its runs."""

    id: str
    task: str
    backbone: str
    """as asked for: builtin, a hub id or a folder"""
    noun: str
    token: str
    budget: int | None
    prompts: tuple[str, ...]
    """as drawn, token included"""
    seeds: tuple[int, ...]
    command: str
    prepare: Path
    """folder of the prepare run, finished or not"""
    runs: tuple[RunOutcome, ...]
    pictures: tuple[tuple[Path, tuple[int, int, int, int]], ...] = ()
    """the person's pictures with the square (left, top, right, bottom) that the backbone saw"""
    drawn: Mapping[str, Path] = field(default_factory=dict)
    """folders of the finished runs that drew a prompt of the person's own, by id in the store"""

    @property
    def prepared(self) -> bool:
        """Whether the prepare run has left its report: until then nothing can be measured."""
        return (self.prepare / REPORT).is_file()

    def place(self, path: str) -> Path:
        """The file, or the folder of an adapter, behind a path of `comparison.json`.

        Raises:
            KeyError: there is no such run.
        """
        kind, name, *rest = PurePosixPath(path).parts
        if kind == "drawn":
            return self.drawn[name].joinpath(*rest)
        if kind == "samples" and name == BASE:
            return self.prepare.joinpath(kind, name, *rest)
        folders = {run.id: run.folder for run in self.runs}
        if kind == "changes":
            return folders[name.removesuffix(".png")] / "change.png"
        folder = folders[name]
        return folder / "adapter" if kind == "adapters" else folder.joinpath(kind, *rest)

    def picture(self, path: str) -> tuple[Path, tuple[int, int, int, int]]:
        """The person's picture behind a path of `comparison.json`, with its square."""
        return self.pictures[int(PurePosixPath(path).stem) - 1]

    def content(self, path: str) -> bytes:
        """What a file of the written comparison holds, by its path in `comparison.json`."""
        if PurePosixPath(path).parts[0] != "pictures":
            return self.place(path).read_bytes()
        file, square = self.picture(path)
        buffer = io.BytesIO()
        with Image.open(file) as picture:
            side = min(PICTURE_SIDE, square[2] - square[0])
            small = picture.convert("RGB").resize(
                (side, side), Image.Resampling.LANCZOS, box=square
            )
        small.save(buffer, "PNG")
        return buffer.getvalue()


AnyOutcome = ComparisonOutcome | ClassesOutcome
