"""The slots of this machine, found without importing torch."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# One of these exists where a driver does: NVIDIA, NVIDIA below Windows, AMD.
_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_COUNT = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
_PROBE_SECONDS = 120.0  # a first import of torch from a cold disk


def driver_found() -> bool:
    """Whether there may be a GPU; told at once, where counting them takes seconds."""
    return any(Path(driver).exists() for driver in _DRIVERS)


def found_devices() -> tuple[str, ...]:
    """Every CUDA device, or else the CPU: a comparison is run on devices of one kind."""
    if not driver_found():
        return ("cpu",)
    command = [sys.executable, "-c", _COUNT]
    counted = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=_PROBE_SECONDS
    )
    return tuple(f"cuda:{i}" for i in range(int(counted.stdout))) or ("cpu",)


def slots(devices: Sequence[str], cpu_slots: int) -> tuple[str, ...]:
    """Where runs may be at work at the same time: one a CUDA device, a thread each on the CPU."""
    cores = os.cpu_count() or 1
    threads = tuple(f"cpu-{i}" for i in range(min(cpu_slots, cores)))
    return tuple(slot for device in devices for slot in (threads if device == "cpu" else (device,)))
