"""How long a step and a picture take on this machine, and how much memory: a few of each, done."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.diffusion.model import Diffusion, at_once
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Attachment, Plan
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.dreambooth.loss import DreamBooth
from sparse_peft.tasks.dreambooth.recipe import Shared, TrainSettings
from sparse_peft.tasks.job import Cancelled, Job
from sparse_peft.tasks.loop import Progress, fit

STEPS = 6  # of each method
WARM_UP = 2  # of them: the first allocate and choose kernels
PICTURES = 3  # random ones: a step's time does not depend on what they show
QUICK_SECONDS = 2.0  # a picture that takes less is drawn faster with others beside it


def forward_ms(backbone: Diffusion) -> float:
    """Time of one forward pass for one picture of the backbone's own size."""
    side = backbone.resolution // backbone.pipeline.vae_scale_factor
    device = backbone.device
    conditioning = {k: v[None].to(device) for k, v in backbone.embed(["a cat"])[0].items()}
    if backbone.is_sdxl:
        size = backbone.resolution
        conditioning["time_ids"] = backbone.time_ids((size, size), size)[None].to(device)
    noisy = torch.zeros(1, backbone.pipeline.unet.config.in_channels, side, side, device=device)
    timesteps = torch.tensor([500], device=device)

    def once() -> float:
        with torch.no_grad():
            return float(backbone.predict(noisy, timesteps, conditioning).sum())

    once()
    return 1000 * _seconds(once)


def measured(job: Job, backbone: Diffusion, trainings: Sequence[TrainSettings]) -> dict[str, Any]:
    """What `report.json` says of trainings: a row for each, and the time of one test picture."""
    shared = trainings[0].shared
    accelerator = devices.accelerator(job.device, shared.precision)
    with accelerator.autocast():
        picture = _picture_seconds(backbone, shared)
        prepared = _prepared(backbone, shared)
    rows = [_row(job, backbone, accelerator, prepared, training) for training in trainings]
    return {"picture_seconds": picture, "trainings": rows}


def _row(
    job: Job,
    backbone: Diffusion,
    accelerator: Any,
    prepared: dict[str, Tensor],
    settings: TrainSettings,
) -> dict[str, Any]:
    """Size, step time and memory of one training; only its name where the memory did not do."""
    where = f"{settings.method} settings"
    method = tables.build(method_named(settings.method), settings.fields, where)
    shapes = sources.shapes(backbone.source, settings.shared.targets)
    row: dict[str, Any] = {"method": settings.method, "active": None, "step_ms": None}
    row |= {"peak_mib": None, "fits": False}
    try:
        plan = Plan(settings.training.steps, settings.training.seed)
        attachment = method.attach(backbone.components, list(shapes), plan)
        try:
            row |= _timed(job, backbone, attachment, accelerator, prepared, settings)
        finally:
            attachment.remove(keep=False)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    return row


def _timed(
    job: Job,
    backbone: Diffusion,
    attachment: Attachment,
    accelerator: Any,
    prepared: dict[str, Tensor],
    settings: TrainSettings,
) -> dict[str, Any]:
    training = replace(settings.training, steps=STEPS, sample_every=STEPS, checkpoint_every=STEPS)
    attachment.optimizer(training.lr)
    memory = devices.PeakMemory(backbone.device)
    progress = Progress()
    asked = fit(
        DreamBooth(backbone, prepared, settings.shared, training),
        attachment, training, accelerator, progress,
        emit=lambda *_, **__: None, should_stop=job.should_stop,
        save=lambda _: None, sample=lambda _: None,
    )  # fmt: skip
    if asked:
        raise Cancelled(0)
    active = attachment.measured().active
    step_ms = statistics.median(progress.step_ms[WARM_UP:])
    # A process keeps resident what one training has freed: the next one's peak would look small.
    peak = memory.mib() if backbone.device.type == "cuda" else None
    return {"active": active, "step_ms": step_ms, "peak_mib": peak, "fits": True}


def _picture_seconds(backbone: Diffusion, shared: Shared) -> float:
    """Time of one test picture, drawn as a comparison draws them: several together if quick."""
    prompt, negative = backbone.embed([shared.class_prompt])[0], backbone.negative()

    def draw(count: int) -> list[Tensor]:
        seeds = list(range(count))
        prompts = [prompt] * count
        return list(backbone.sample(prompts, seeds, negative, shared.sampling, shared.resolution))

    one, several = _seconds(lambda: draw(1)), at_once(shared.resolution)
    return one if one > QUICK_SECONDS else _seconds(lambda: draw(several)) / several


def _prepared(backbone: Diffusion, shared: Shared) -> dict[str, Tensor]:
    """What a prepare run makes, of the same shapes, from noise."""
    noise = torch.Generator().manual_seed(0)
    side = shared.resolution // backbone.pipeline.vae_scale_factor
    channels = backbone.pipeline.unet.config.in_channels
    size = backbone.time_ids((shared.resolution, shared.resolution), shared.resolution)
    words = backbone.embed([shared.class_prompt])[0]
    found = {
        "latents/mean": torch.randn(PICTURES, channels, side, side, generator=noise),
        "latents/std": torch.full((PICTURES, channels, side, side), 0.1),
        "pictures/time_ids": size.expand(PICTURES, -1).clone(),
        "pictures/prompt": torch.zeros(PICTURES, dtype=torch.long),
    } | {f"training/0/{key}": value for key, value in words.items()}
    if shared.prior:
        found["prior/latents"] = torch.randn(
            shared.prior.pictures, channels, side, side, generator=noise
        )
        found["prior/time_ids"] = size
        found |= {f"prior/{key}": value for key, value in words.items()}
    return found


def _seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started
