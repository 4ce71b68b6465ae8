"""Ordinary checkpoints of a comparison's adapters: asked for, and where they stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

from sparse_peft.backbones import source as sources
from sparse_peft.backbones.clip import shapes as clip_shapes
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.names import ClipSource
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.classifying import merge_run
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import RunError, UserError
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks.fewshot.recipe import MERGED, TASK
from sparse_peft.ui.clicks.actions import Answer
from sparse_peft.ui.clicks.starting import alone
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.watch.watching import Live

ALIVE = ("queued", "running", "finished")
PANELS = ("strip", "numbers")
VALUE_BYTES = 4  # a checkpoint holds fp32


@dataclass(frozen=True)
class Merge:
    """An adapter that is to become an ordinary checkpoint."""

    run: str
    """its name in the comparison, such as lora-s1"""
    comparison: str | None = None


def merge(desk: Desk, asked: Merge) -> Answer:
    """Queue it, unless it is there or on its way already."""
    comparison = mine.comparison(desk, asked.comparison or desk.open)
    outcome = mine.opened(desk, comparison)
    done = {run.id: run.folder / "adapter" for run in outcome.runs if run.state == "finished"}
    if not isinstance(outcome, ClassesOutcome) or asked.run not in done:
        raise RunError(f"There is no finished method {asked.run[:40]!r} here to merge.")
    with alone(desk):
        with Store(desk.home) as store:
            known = [row for row in store.runs(comparison) if row.kind == "merge"]
        alive = [row.id for row in known if row.state in ALIVE]
        if asked.run not in {_merged(desk.home, run) for run in alive}:
            run = merge_run(
                desk.home, comparison, asked.run, done[asked.run], owner=desk.owner, within=True
            )
            with Store(desk.home) as store:
                store.submit(None, [run])
    client.ensure_runner(desk.home)
    return Answer(PANELS, said="Waiting: the checkpoint will be made.")


def merges(desk: Desk, runs: Mapping[str, Live]) -> dict[str, Live]:
    """The newest attempt to merge each training run, by its name in the comparison."""
    return {_merged(desk.home, run.id): run for run in runs.values() if run.kind == "merge"}


def folder_of(desk: Desk, comparison: str, name: str) -> Path:
    """The finished checkpoint of a training run.

    Raises:
        RunError: there is none.
    """
    with Store(desk.home) as store:
        rows = store.runs(comparison)
    for row in reversed(rows):
        done = row.kind == "merge" and row.state == "finished"
        if done and _merged(desk.home, row.id) == name:
            return RunDirectory.of(desk.home, row.id).path / MERGED
    raise RunError("This checkpoint is not there yet. Make it first, under Download.")


@lru_cache(maxsize=32)
def bytes_of(backbone: str) -> int | None:
    """About how large a checkpoint of this backbone is; None where nothing tells."""
    try:
        source = sources.found(backbone, TASK)
        if isinstance(source, VisionSource):  # its head is small beside it
            return VALUE_BYTES * vision_shapes.outline(source.architecture).values
    except UserError:
        return None
    return _bytes_of_clip(source) if isinstance(source, ClipSource) else None


def _bytes_of_clip(source: ClipSource) -> int | None:
    native = clip_shapes.is_native(source.config, clip_shapes.towers("attention+mlp"))
    if not native or isinstance(source.config["vision_cfg"]["layers"], list):  # convolutions
        return source.weights.stat().st_size if source.weights else None
    values = sum(prod(shape) for shape in clip_source.shapes(source, "attention+mlp").values())
    text = source.config["text_cfg"]
    return VALUE_BYTES * (values + int(text["vocab_size"]) * int(text["width"]))


def _merged(home: Path, run: str) -> str:
    return str(RunDirectory.of(home, run).spec.settings["classifier"])
