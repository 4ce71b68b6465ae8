"""`doctor`: what this machine can do, found out by a probe run."""

import argparse
import json
import time

from sparse_peft import tables
from sparse_peft.errors import RunError
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec, new_id
from sparse_peft.runs.store import Store
from sparse_peft.tasks.recipe import ProbeSettings

POLL_SECONDS = 0.1


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Submit a probe run, wait for it and print its report."""
    probe = RunSpec(new_id(), "probe", "local", None, tables.table(ProbeSettings("builtin")))
    with Store(options.home) as store:
        store.submit(None, [probe])
        while (row := store.run(probe.id)).state in ("queued", "running"):
            client.ensure_runner(options.home)
            time.sleep(POLL_SECONDS)
    if row.state != "finished":
        raise RunError(f"the probe {row.state}: {row.error or 'no reason given'}")
    report = RunDirectory.of(options.home, probe.id).report() or {}
    if options.json:
        print(json.dumps(report, indent=1))
        return 0
    for device in report["devices"]:
        print("  ".join(f"{key} {value}" for key, value in device.items()))
    print(f"built-in backbone: {report['forward_ms']:.0f} ms for one forward pass of one picture")
    print("  ".join(f"{name} {number}" for name, number in report["versions"].items()))
    print(f"runs are kept in {options.home}")
    return 0
