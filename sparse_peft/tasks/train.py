"""One method, trained once on what `prepare` made, then drawn, measured and saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from sparse_peft import tables
from sparse_peft.backbones import diffusion
from sparse_peft.backbones import judge as judges
from sparse_peft.backbones import source as sources
from sparse_peft.methods import method_named
from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.method import Attachment, Method, Plan
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.dreambooth import DreamBooth
from sparse_peft.tasks.gallery import Drawn, Gallery
from sparse_peft.tasks.job import Cancelled, Job
from sparse_peft.tasks.loop import Progress, fit
from sparse_peft.tasks.prepare import read_report
from sparse_peft.tasks.recipe import TrainSettings

CHANGE_SIDE = 48  # pixels of the map of what changed


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
    progress = _resumed(job, bench.attachment)
    history: list[dict[str, Any]] = []
    job.emit("stage", text="Training", done=1, of=3)
    memory = devices.PeakMemory(bench.backbone.device)
    shared, training = bench.settings.shared, bench.settings.training

    def sample(step: int) -> None:
        drawn = _drawn(bench, step, shared.seeds[:1])
        history.extend(row | {"step": step} for row in drawn.rows)

    asked = fit(
        DreamBooth(bench.backbone, bench.prepared, shared, training),
        bench.attachment,
        training,
        bench.accelerator,
        progress,
        emit=job.emit,
        should_stop=job.should_stop,
        save=_saver(job, bench.attachment),
        sample=sample,
    )
    peak = memory.mib()
    if asked == "discard":
        raise Cancelled(progress.step)
    job.emit("stage", text="Drawing the test pictures", done=2, of=3)
    drawn = _drawn(bench, progress.step, shared.seeds)
    with bench.accelerator.autocast():
        _save_features(job.folder, drawn, bench.gallery.class_features())
    _save_adapter(job.folder, bench)
    stopped = progress.step if asked == "keep" else None
    job.report(
        _about(bench)
        | {
            "adapter_bytes": _bytes_below(job.folder / "adapter"),
            "seconds": progress.seconds,
            "step_ms": progress.median_step_ms,
            "peak_mib": peak,
            "beside": job.beside,
            "stopped_at": stopped,
            "samples": drawn.rows,
            "history": history,
            "losses": progress.losses,
            "device": devices.describe(job.device),
        }
    )
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
    kind = method_named(settings.method)
    method = tables.build(kind, settings.fields, f"{settings.method} settings")
    plan = Plan(training.steps, training.seed)
    attachment = method.attach(backbone.components, list(shapes), plan)
    attachment.optimizer(training.lr)
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
    with bench.accelerator.autocast():
        return bench.gallery.samples(step, f"step{step:06}", seeds)


def _save_adapter(folder: Path, bench: _Bench) -> None:
    adapter = folder / "adapter"
    bench.attachment.save(adapter)
    write_card(
        adapter,
        bench.method,
        backbone=bench.base["id"],
        backbone_sha256=bench.base["sha256"],
        targets=list(bench.shapes),
        plan=bench.plan,
    )
    change_map(bench.attachment.change(change_target(bench.shapes)), folder / "change.png")


def _about(bench: _Bench) -> dict[str, Any]:
    """What the report says of the method and its settings."""
    return {
        "method": bench.settings.method,
        "label": bench.method.label,
        "family": bench.method.family,
        "knob": bench.method.knob(bench.shapes),
        "over_budget": bench.settings.over_budget,
        "budget": bench.settings.budget,
        "settings": tables.table(bench.settings.training),
        "fields": tables.table(bench.method),
        "footprint": tables.table(bench.attachment.measured()),
        "adapter": "adapter",
        "change": "change.png",
        "change_target": change_target(bench.shapes),
    }


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _resumed(job: Job, attachment: Attachment) -> Progress:
    found = job.load_checkpoint()
    if found is None:
        return Progress()
    _, tensors, state = found
    devices.set_random_state(tensors)
    attachment.load({k.removeprefix("at/"): v for k, v in tensors.items() if k.startswith("at/")})
    return Progress(
        state["step"], state["seconds"], [tuple(pair) for pair in state["losses"]], state["step_ms"]
    )


def _saver(job: Job, attachment: Attachment) -> Callable[[Progress], None]:
    def save(progress: Progress) -> None:
        tensors = {f"at/{key}": value for key, value in attachment.state().items()}
        tensors |= devices.random_state()
        job.save_checkpoint(progress.step, tensors, vars(progress))

    return save


def _save_features(folder: Path, drawn: Drawn, ordinary: Tensor | None) -> None:
    features = {} if ordinary is None else drawn.features | {"class": ordinary}
    save_file(features, folder / "features.safetensors")


def change_target(shapes: dict[str, tuple[int, ...]]) -> str:
    """The one layer whose change is drawn: the middle one of those large enough."""
    large = [name for name, shape in shapes.items() if min(shape) >= CHANGE_SIDE] or list(shapes)
    return large[len(large) // 2]


def change_map(change: Tensor, path: Path) -> None:
    """The absolute change of one weight at 48 x 48, darkest where it is largest."""
    flat = change.reshape(1, 1, change.shape[0], -1).abs().float()
    small = F.adaptive_avg_pool2d(flat, CHANGE_SIDE)[0, 0]
    top = small.max().clamp(min=torch.finfo(torch.float32).tiny)
    ink = ((1 - (small / top).sqrt()) * 255).to(torch.uint8)
    Image.fromarray(ink.numpy()).save(path)
