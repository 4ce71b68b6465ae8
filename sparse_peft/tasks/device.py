"""The device of a run: accelerator, precision, memory, what is known of the machine."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

VERSIONS = ("torch", "diffusers", "transformers", "peft", "accelerate", "open_clip_torch")
MIB = 1 << 20


def accelerator(device: str, precision: Literal["fp32", "bf16", "fp16"]) -> Any:
    """Accelerate's autocast, backward and scaler of gradients for one process on one device.

    Args:
        precision: fp16 is fp32 where there is no CUDA.
    """
    from accelerate import Accelerator

    cuda = device.startswith("cuda")
    mixed = "no" if precision == "fp32" or (precision == "fp16" and not cuda) else precision
    return Accelerator(cpu=not cuda, mixed_precision=mixed)


def torch_device(device: str) -> torch.device:
    """`cpu-0` and `cpu-1` are slots of the one CPU."""
    return torch.device(device if device.startswith("cuda") else "cpu")


def describe(device: str) -> str:
    """The device in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} thread(s)"


def versions() -> dict[str, str]:
    """What a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in VERSIONS}


def random_state() -> dict[str, Tensor]:
    """The global random state of the CPU and, where there is one, of the CUDA device."""
    state = {"rng": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["rng_cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(tensors: Mapping[str, Tensor]) -> None:
    """Go back to what `random_state` gave."""
    torch.set_rng_state(tensors["rng"])
    if "rng_cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["rng_cuda"])


class PeakMemory:
    """Peak memory of the training loop alone, in MiB."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._start = _resident_mib("VmRSS") if device.type == "cpu" else 0.0
        _reset_resident_peak()

    def mib(self) -> float | None:
        """CUDA's peak; on CPU the resident peak less that at the loop's start; None if unknown."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / MIB
        peak = _resident_mib("VmHWM")
        if peak is None or self._start is None:
            return None
        return max(0.0, peak - self._start)


def _resident_mib(key: str) -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():  # macOS keeps no such file
        return None
    for line in status.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return None


def _reset_resident_peak() -> None:
    path = Path("/proc/self/clear_refs")
    if path.exists() and os.access(path, os.W_OK):
        path.write_text("5")  # proc(5): 5 resets the peak resident size
