"""`doctor`: what this machine can do, found out by a probe run."""

import argparse
import json

from sparse_peft import tables
from sparse_peft.commands import single
from sparse_peft.runs.spec import RunSpec, new_id
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings


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
        print("  ".join(f"{key} {value}" for key, value in device.items()))
    print(f"built-in backbone: {report['forward_ms']:.0f} ms for one forward pass of one picture")
    print("  ".join(f"{name} {number}" for name, number in report["versions"].items()))
    print(f"runs are kept in {options.home}")
    return 0
