"""One method, trained once on what `prepare` made, then drawn, measured and saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sparse_peft import tables
from sparse_peft.backbones import judge as judges
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.methods.method import Attachment, Method, Plan
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.dreambooth.gallery import Drawn, Gallery
from sparse_peft.tasks.dreambooth.loss import DreamBooth
from sparse_peft.tasks.dreambooth.prepare import read_report
from sparse_peft.tasks.dreambooth.recipe import TrainSettings
from sparse_peft.tasks.job import Cancelled, Job
from sparse_peft.tasks.loop import fit
from sparse_peft.tasks.training_files import about, attached, resumed, save_adapter, saver, told
from sparse_peft.tuners.rest import at_rest


@dataclass(frozen=True)
class _Bench:
    """Everything at hand for one training."""

    settings: TrainSettings
    shapes: dict[str, tuple[int, ...]]
    method: Method
    plan: Plan
    backbone: diffusion.Diffusion
    gallery: Gallery
    attachment: Attachment
    accelerator: Any
    prepared: dict[str, Tensor]
    base: dict[str, Any]
    """id and sha256 of the backbone that `prepare` used"""


def run(job: Job) -> None:
    """Train; fill the run's folder with adapter/, samples/, change.png, features, report.json."""
    job.emit("stage", text="Loading the backbone", done=0, of=3)
    bench = _set_up(job)
    progress = resumed(job, bench.attachment)
    job.emit("stage", text="Training", done=1, of=3)
    memory = devices.PeakMemory(bench.backbone.device)
    shared, training = bench.settings.shared, bench.settings.training

    def sample(step: int) -> None:
        drawn = _drawn(bench, step, shared.seeds[:1])
        progress.history.extend(row | {"step": step} for row in drawn.rows)

    asked = fit(
        DreamBooth(bench.backbone, bench.prepared, shared, training),
        bench.attachment,
        training,
        bench.accelerator,
        progress,
        emit=job.emit,
        should_stop=job.should_stop,
        save=saver(job, bench.attachment),
        sample=sample,
    )
    peak = memory.mib()
    if asked == "discard":
        raise Cancelled(progress.step)
    job.emit("stage", text="Drawing the test pictures", done=2, of=3)
    drawn = _drawn(bench, progress.step, shared.seeds)
    with at_rest(bench.backbone.components), bench.accelerator.autocast():
        _save_features(job.folder, drawn, bench.gallery.class_features())
    save_adapter(job.folder, bench.attachment, bench.method, bench.base, bench.shapes, bench.plan)
    stopped = progress.step if asked == "keep" else None
    found = about(bench.settings, bench.method, bench.shapes, bench.attachment)
    job.report(found | told(job, progress, peak) | {"stopped_at": stopped, "samples": drawn.rows})
    if stopped is not None:
        raise Cancelled(progress.step)


def _set_up(job: Job) -> _Bench:
    settings = tables.build(TrainSettings, job.settings, "run.json settings")
    shared, training = settings.shared, settings.training
    device = devices.torch_device(job.device)
    torch.manual_seed(training.seed)  # for library code: dropout, initial values
    source = sources.resolve(shared.backbone)
    backbone = diffusion.load(source, device, with_text=False)
    judge = judges.load(shared.judge, device) if shared.judge else None
    folder = job.folder / "inputs"
    prepared = load_file(folder / "shared.safetensors")
    shapes = sources.shapes(source, shared.targets)
    method, plan, attachment = attached(settings, backbone.components, shapes)
    return _Bench(
        settings,
        shapes,
        method,
        plan,
        backbone,
        Gallery(backbone, judge, shared, prepared, job.folder, job.emit),
        attachment,
        devices.accelerator(job.device, shared.precision),
        prepared,
        read_report(folder)["backbone"],
    )


def _drawn(bench: _Bench, step: int, seeds: Sequence[int]) -> Drawn:
    with at_rest(bench.backbone.components), bench.accelerator.autocast():
        return bench.gallery.samples(step, f"step{step:06}", seeds)


def _save_features(folder: Path, drawn: Drawn, ordinary: Tensor | None) -> None:
    features = {} if ordinary is None else drawn.features | {"class": ordinary}
    save_file(features, folder / "features.safetensors")
