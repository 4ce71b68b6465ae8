"""A small random CLIP with a tokenizer, a few pictures of classes, and runs on them."""

import io
import runpy
import shutil
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from sparse_peft.backbones.source import BUILTIN
from sparse_peft.data.labelled import Labelled
from sparse_peft.tasks.fewshot import prepare, train
from sparse_peft.tasks.fewshot.recipe import (
    Classes,
    ClassPrepareSettings,
    ClassTraining,
    ClassTrainSettings,
)
from tests.labelled_sets import small_set
from tests.small_clips import VIT, config, save_clip
from tests.tasks.local_job import LocalJob

METHODS = ("lora", "waveft", "so")
FIELDS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 2, "alpha": 1.0, "rslora": True, "dropout": 0.25},
    "waveft": {"coefficients": 40},
    "so": {"density": 0.02, "T": 2},
}
OUTPUTS = ("draws.json", "features.safetensors", "pictures.safetensors", "report.json")


def small_clip(folder: Path) -> Path:
    """A CLIP of two layers a tower that reads words as the built-in one does."""
    save_clip(folder, config(VIT, vocab_size=4096, context_length=24, hf_tokenizer_name="builtin"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(BUILTIN / "judge" / name, folder / name)
    return folder


def shared_by(backbone: Path, **changes: Any) -> Classes:
    """Settings that are quick on a small random backbone; three classes of `small_set`."""
    settings: dict[str, Any] = {
        "targets": "qkv", "template": "a {}", "smallest_crop": 0.5, "scale": 20.0,
        "backbone": str(backbone), "classes": ("apple", "boat", "cat"), "labels": (0, 1, 2),
        "shots": 2, "seeds": (1, 2),
    }  # fmt: skip
    return Classes(**settings | changes)


def place_set(labelled: Labelled, pictures: Path, job_folder: Path, scratch: Path) -> None:
    """A saved labelled set as the inputs of a run."""
    shutil.copytree(labelled.save(pictures, scratch / "data"), job_folder / "inputs")


def prepared(
    shared: Classes, scratch: Path, references: tuple[str, ...] = ("zeroshot",), **more: Any
) -> LocalJob:
    """A finished prepare run on `small_set`, changed by `more`."""
    job = LocalJob(scratch / "prepare", ClassPrepareSettings(shared, references))
    labelled, pictures = small_set(scratch / "pictures", **{"side": 40} | more)
    place_set(labelled, pictures, job.folder, scratch)
    prepare.run(job)
    return job


def train_settings(shared: Classes, method: str, **changes: Any) -> ClassTrainSettings:
    """Settings of a short training."""
    training: dict[str, Any] = {
        "lr": 1e-2, "seed": 1, "steps": 4, "batch_size": 4, "sample_every": 100,
        "checkpoint_every": 1,
    }  # fmt: skip
    return ClassTrainSettings(
        shared, ClassTraining(**training | changes), method, FIELDS[method], budget=500
    )


def trained(
    ready: LocalJob, shared: Classes, folder: Path, method: str = "lora", **changes: Any
) -> LocalJob:
    """A training on what a prepare run made; `stop_at` and `stop` go to its job."""
    stops = {name: changes.pop(name) for name in ("stop_at", "stop") if name in changes}
    job = LocalJob(folder, train_settings(shared, method, **changes), **stops)
    if not (folder / "inputs").exists():
        shutil.copytree(ready.folder / "inputs", folder / "inputs")
        for name in OUTPUTS:
            if (ready.folder / name).exists():
                shutil.copyfile(ready.folder / name, folder / "inputs" / name)
    train.run(job)
    return job


def said_by_script(script: Path, pictures: Path) -> list[list[str]]:
    """The cells of each line that a merged checkpoint's script prints, run in this process."""
    before, out = sys.argv, io.StringIO()
    sys.argv = [str(script), str(pictures)]
    try:
        with redirect_stdout(out), warnings.catch_warnings(action="ignore"):
            runpy.run_path(str(script))
    finally:
        sys.argv = before
    return [line.split("\t") for line in out.getvalue().splitlines()]
