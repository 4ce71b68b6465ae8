"""A run of one process on a folder, for tests of the kinds of run."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sparse_peft import files, tables
from sparse_peft.data.subject import Subject
from sparse_peft.runs import checkpoint
from sparse_peft.tasks.dreambooth.recipe import (
    PriorSettings,
    Sampling,
    Shared,
    Training,
    TrainSettings,
)
from sparse_peft.tasks.job import Stop


class LocalJob:
    """Fulfils `Job` without a worker; `stop_at` asks it to stop before that step."""

    device = "cpu"
    attempt = 1
    beside = 0

    def __init__(
        self, folder: Path, settings: object, stop_at: int | None = None, stop: Stop = "keep"
    ) -> None:
        self.folder = folder
        self.settings: Mapping[str, Any] = tables.table(settings)
        self.events: list[dict[str, Any]] = []
        self._stop_at, self._stop = stop_at, stop
        folder.mkdir(parents=True, exist_ok=True)

    def emit(self, kind: str, **fields: Any) -> None:
        self.events.append({"kind": kind} | fields)

    def should_stop(self) -> Stop | None:
        step = max((e["step"] for e in self.events if e["kind"] == "checkpoint"), default=0)
        return self._stop if self._stop_at is not None and step >= self._stop_at else None

    def save_checkpoint(self, step: int, tensors: dict[str, Any], state: dict[str, Any]) -> None:
        checkpoint.save(self.folder / "checkpoint", step, tensors, state)
        self.emit("checkpoint", step=step)

    def load_checkpoint(self) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
        return checkpoint.newest_good(self.folder / "checkpoint")[0]

    def report(self, value: dict[str, Any]) -> None:
        files.write_json(self.folder / "report.json", value)

    def read_report(self) -> dict[str, Any]:
        return tables.read_json(self.folder / "report.json")


def draw_subject(folder: Path, count: int = 3) -> Path:
    """Pictures that differ from each other: a disc that moves over a ramp."""
    folder.mkdir()
    y, x = np.mgrid[:96, :96]
    for i in range(count):
        disc = np.hypot(x - 24 - 20 * i, y - 48) < 20
        pixels = np.stack([x * 2, y * 2, np.full_like(x, 90)], -1)
        pixels[disc] = (200, 40, 40 + 60 * i)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def inputs(job_folder: Path, scratch: Path) -> None:
    """A saved subject as the inputs of a prepare run."""
    decoded = scratch / "decoded"
    decoded.mkdir()
    subject, _ = Subject.from_folder(
        draw_subject(scratch / "pictures"), "cat", decoded, token="sks", wanted_side=16
    )
    shutil.copytree(subject.save(decoded, scratch / "data"), job_folder / "inputs")


def small_shared(backbone: Path, **changes: Any) -> Shared:
    """Settings that are quick on a small random backbone."""
    settings: dict[str, Any] = {
        "backbone": str(backbone),
        "judge": "builtin",
        "noun": "cat",
        "token": "sks",
        "prompts": ("a {subject} in the snow", "a dog"),
        "seeds": (0, 1, 2),
        "seed": 0,
        "resolution": 32,
        "targets": "attention+ff",
        "sampling": Sampling(steps=2, guidance=2.0),
        "prior": PriorSettings(pictures=2, batch=1),
    }
    return Shared(**settings | changes)


def train_settings(shared: Shared, method: str, steps: int = 4, **changes: Any) -> TrainSettings:
    """Settings of a short training."""
    training: dict[str, Any] = {
        "lr": 1e-3, "steps": steps, "seed": 0, "batch_size": 2, "sample_every": 100,
        "checkpoint_every": 1,
    }  # fmt: skip
    fields = {"lora": {"rank": 2}, "waveft": {"coefficients": 40}, "so": {"density": 0.02}}
    return TrainSettings(shared, Training(**training | changes), method, fields[method])  # type: ignore[arg-type]


def as_inputs_of(prepared: Path, train: Path) -> None:
    """What the runner does: the outputs of a prepare run as the inputs of a training."""
    (train / "inputs").mkdir(parents=True, exist_ok=True)
    for name in ("shared.safetensors", "features.safetensors", "report.json"):
        shutil.copyfile(prepared / name, train / "inputs" / name)
