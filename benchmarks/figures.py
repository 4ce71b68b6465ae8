"""A figure beside its goal, and the fair timing of contestants on a machine that others use too."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "peft", "diffusers", "transformers", "sparse_peft")

Seconds = dict[str, list[float]]  # by contestant, one entry a round


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    subject: str
    what: str
    value: float
    unit: str
    goal: float | None = None
    """a limit, or what is to be reached where `at_least`; None: measured without a goal"""
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """`met`, `not met`, or nothing where there is no goal."""
        if self.goal is None:
            return ""
        met = self.value >= self.goal if self.at_least else self.value <= self.goal
        return "met" if met else "not met"

    def table(self) -> dict[str, Any]:
        """The figure with its verdict, for JSON."""
        return asdict(self) | {"verdict": self.verdict or None}


def interleaved(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int,
    clock: Callable[[], float] = time.thread_time,
) -> Seconds:
    """Seconds of `calls` calls of each contestant, round by round, in an order that turns.

    Args:
        clock: the CPU time of this thread unless told otherwise; on a CPU torch computes backward
            passes in the thread that asks for them, so with one thread nothing is missed.
    """
    names = list(contestants)
    for name in names:
        contestants[name]()  # first calls allocate, draw and compile
    taken: Seconds = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            call = contestants[name]
            start = clock()
            for _ in range(calls):
                call()
            taken[name].append(clock() - start)
    return taken


def ratio(taken: Seconds, name: str, base: str) -> float:
    """Median over rounds of one contestant's seconds by another's of the same round."""
    return statistics.median(a / b for a, b in zip(taken[name], taken[base], strict=True))


def conditions() -> dict[str, Any]:
    """Where and with what these figures are measured."""
    import torch

    from sparse_peft import __version__

    found = {name: version(name) for name in PACKAGES[:-1]} | {"sparse_peft": __version__}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "gpu": device,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": found,
    }


def _cpu() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
