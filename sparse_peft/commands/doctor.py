"""`doctor`: what this machine can do, found out by a probe run."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from sparse_peft import tables
from sparse_peft.commands import single
from sparse_peft.runs.spec import RunSpec, new_id
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings

NO_NUMBA = (
    "not installed; on a CPU WaveFT and SO are faster after "
    "pip install -r requirements-compiled.txt"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Submit a probe run, wait for it and print its report."""
    probe = RunSpec(new_id(), "probe", "local", None, tables.table(ProbeSettings("builtin")))
    report = single.finish(options.home, probe).report() or {}
    if options.json:
        print(json.dumps(report, indent=1))
        return 0
    for device in report["devices"]:
        print(_device(device))
    print(f"built-in backbone: {report['forward_ms']:.0f} ms for one forward pass of one picture")
    for line in _kernels(cuda=len(report["devices"]) > 1):
        print(line)
    print(", ".join(f"{name} {number}" for name, number in report["versions"].items()))
    print(f"runs are kept in {options.home}")
    return 0


def _device(device: Mapping[str, Any]) -> str:
    """Such as "cpu: AMD EPYC, 2 cores, 15.6 GiB"."""
    words = [device["name"]]
    if "cores" in device:
        words.append(f"{device['cores']} core{'' if device['cores'] == 1 else 's'}")
    words.append(f"{device['memory_gib']} GiB")
    if "free_gib" in device:
        words.append(f"{device['free_gib']} GiB of them free")
    return f"{device['id']}: {', '.join(words)}"


def _kernels(*, cuda: bool) -> tuple[str, str]:
    """Whether the kernels of numba and of Triton are there, and used."""
    from sparse_peft.maths.kernels import compiled, triton_sampled

    numba = "used on the CPU" if compiled.installed() else NO_NUMBA
    triton = "not used, there is no CUDA device"
    if cuda:
        triton = "used on CUDA" if triton_sampled.installed() else "not installed"
    return f"compiled kernels (numba): {numba}", f"Triton kernels: {triton}"
