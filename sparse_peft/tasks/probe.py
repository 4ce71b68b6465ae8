"""What the page and `doctor` must know about this machine without building a model themselves."""

import os
import time
from pathlib import Path

import torch

from sparse_peft import tables
from sparse_peft.backbones import diffusion
from sparse_peft.backbones import source as sources
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.job import Job
from sparse_peft.tasks.recipe import ProbeSettings

GIB = 1 << 30


def run(job: Job) -> None:
    """Report devices, memory, versions and, for a backbone, the time of one forward pass."""
    settings = tables.build(ProbeSettings, job.settings, "run.json settings")
    report = {
        "devices": _devices(),
        "bf16_on_cpu": bool(torch.cpu._is_avx512_bf16_supported()),
        "versions": devices.versions(),
    }
    if settings.backbone:
        report["forward_ms"] = _forward_ms(settings.backbone, devices.torch_device(job.device))
    job.report(report)


def _devices() -> list[dict[str, object]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    found: list[dict[str, object]] = [
        {"id": "cpu", "name": _processor(), "cores": len(os.sched_getaffinity(0)),
         "memory_gib": round(memory, 1)}
    ]  # fmt: skip
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append(
            {"id": f"cuda:{index}", "name": torch.cuda.get_device_name(index),
             "memory_gib": round(total / GIB, 1), "free_gib": round(free / GIB, 1)}
        )  # fmt: skip
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "CPU"


@torch.no_grad()
def _forward_ms(name: str, device: torch.device) -> float:
    backbone = diffusion.load(sources.resolve(name), device)
    conditioning = {k: v[None].to(device) for k, v in backbone.embed(["a cat"])[0].items()}
    side = backbone.pipeline.unet.config.sample_size
    if backbone.is_sdxl:
        ids = backbone.time_ids((side, side), side)
        conditioning["time_ids"] = ids[None].to(device)
    noisy = torch.zeros(1, backbone.pipeline.unet.config.in_channels, side, side, device=device)
    timesteps = torch.tensor([500], device=device)
    backbone.predict(noisy, timesteps, conditioning)
    started = time.perf_counter()
    backbone.predict(noisy, timesteps, conditioning).sum().item()
    return (time.perf_counter() - started) * 1000
