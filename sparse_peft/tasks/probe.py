"""What the page and `doctor` must know about this machine without building a model themselves."""

import os
import time
from pathlib import Path
from typing import Any

import torch

from sparse_peft import tables
from sparse_peft.backbones import judge as judges
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.backbones.diffusion.source import TARGETS
from sparse_peft.backbones.source import Source
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.dreambooth import timing
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings
from sparse_peft.tasks.job import Cancelled, Job

GIB = 1 << 30


def run(job: Job) -> None:
    """Report devices, memory, versions and what there is to know of a backbone on this machine."""
    settings = tables.build(ProbeSettings, job.settings, "run.json settings")
    report: dict[str, Any] = {
        "devices": _devices(),
        "bf16_on_cpu": bool(torch.cpu._is_avx512_bf16_supported()),
        "versions": devices.versions(),
    }
    if settings.backbone and settings.task == "fewshot":
        report |= _fetched(job, settings.backbone)
    elif settings.backbone:
        report |= _about(job, settings, settings.backbone)
    job.report(report)


def _fetched(job: Job, name: str) -> dict[str, Any]:
    """That a CLIP is on this machine, once it is."""
    _stage(job, "Fetching the backbone", 0)
    return {"backbone": sources.resolve(name, "fewshot").id}


def _about(job: Job, settings: ProbeSettings, name: str) -> dict[str, Any]:
    """Times and counts of one backbone; it is fetched first if it is not here."""
    _stage(
        job, "Fetching the backbone" if sources.found(name) is None else "Loading the backbone", 0
    )
    source = sources.resolve(name)
    device = devices.torch_device(job.device)
    started = time.perf_counter()
    backbone = diffusion.load(source, device)
    judge = next((t.shared.judge for t in settings.trainings), None)
    if judge:  # a training loads it too
        judges.load(judge, device)
    report: dict[str, Any] = {
        "backbone": source.id,
        "device": devices.describe(job.device),
        "load_seconds": time.perf_counter() - started,
        "tunable": _tunable(source),
    }
    _stage(job, "Timing a few steps", 1)
    report["forward_ms"] = timing.forward_ms(backbone)
    if settings.trainings:
        report |= timing.measured(job, backbone, settings.trainings)
    return report | {"beside": job.beside}


def _stage(job: Job, text: str, done: int) -> None:
    if job.should_stop():
        raise Cancelled(0)
    job.emit("stage", text=text, done=done, of=2)


def _tunable(source: Source) -> dict[str, dict[str, int]]:
    """How many weights there are to tune, for each choice of targets."""
    found = {targets: sources.shapes(source, targets) for targets in TARGETS}
    return {
        targets: {
            "weights": len(shapes),
            "values": sum(out * into for out, into in shapes.values()),
        }
        for targets, shapes in found.items()
    }


def _devices() -> list[dict[str, object]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    found: list[dict[str, object]] = [
        {"id": "cpu", "name": _processor(), "cores": _cores(), "memory_gib": round(memory, 1)}
    ]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append(
            {"id": f"cuda:{index}", "name": torch.cuda.get_device_name(index),
             "memory_gib": round(total / GIB, 1), "free_gib": round(free / GIB, 1)}
        )  # fmt: skip
    return found


def _cores() -> int:
    """Those that this process may use, where the system tells, as Linux does."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "CPU"
