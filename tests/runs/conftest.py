"""Homes with real runners and real workers, none of which outlives its test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.runs import process
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import ComparisonSpec, Kind, RunSpec, new_id
from sparse_peft.runs.store import RunRow, Store

HERE = Path(__file__).parent
WORKER = (sys.executable, str(HERE / "fake_worker.py"))
RUNNER = (sys.executable, str(HERE / "fake_runner.py"))
PATIENCE_SECONDS = 180.0  # far more than is needed: a loaded machine must not fail a test


def wait_until(true: Callable[[], bool], what: str = "it") -> float:
    """Seconds until the condition held."""
    started = time.monotonic()
    while not true():
        if time.monotonic() - started > PATIENCE_SECONDS:
            pytest.fail(f"{what} did not happen within {PATIENCE_SECONDS:.0f} seconds")
        time.sleep(0.01)
    return time.monotonic() - started


class Home:
    """A home folder, its store, and the processes that a test starts in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self.environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
        self.children: list[subprocess.Popen[str]] = []

    def submit(
        self, count: int = 1, needs: tuple[str, ...] = (), kind: Kind = "train", **settings: Any
    ) -> list[str]:
        """Ids of runs of one new comparison."""
        comparison = ComparisonSpec(new_id(), "me", {"noun": "dog"})
        specs = [
            RunSpec(new_id(), kind, "me", comparison.id, settings, needs=needs)
            for _ in range(count)
        ]
        self.store.submit(comparison, specs)
        return [spec.id for spec in specs]

    def start(self, command: tuple[str, ...], *arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [*command, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        return child

    def runner(self, *options: str) -> subprocess.Popen[str]:
        return self.start(RUNNER, "--home", str(self.path), "--devices", "cpu", *options)

    def serve(self, *options: str) -> str:
        """What a runner says that serves until idle."""
        said, errors = self.runner("--exit-when-idle", *options).communicate(timeout=120)
        assert errors == ""
        return said

    def worker(self, run_id: str, *options: str) -> subprocess.Popen[str]:
        return self.start(WORKER, str(self.path / "runs" / run_id), *options)

    def directory(self, run_id: str) -> RunDirectory:
        return RunDirectory.of(self.path, run_id)

    def row(self, run_id: str) -> RunRow:
        return self.store.run(run_id)

    def steps(self, run_id: str) -> list[int]:
        events, _ = self.directory(run_id).events()
        return [event["step"] for event in events if event["kind"] == "step"]

    def kinds(self, run_id: str) -> list[str]:
        return [event["kind"] for event in self.directory(run_id).events()[0]]

    def wait_for_step(self, run_id: str, step: int) -> None:
        wait_until(lambda: step in self.steps(run_id), f"step {step} of {run_id}")

    def open_gate(self, run_id: str) -> None:
        (self.directory(run_id).path / "go").touch()

    def wait_for_state(self, run_id: str, state: str) -> float:
        return wait_until(lambda: self.row(run_id).state == state, f"{run_id} {state}")

    def worker_identity(self, run_id: str) -> process.Identity:
        found = process.read_identity(self.directory(run_id).worker)
        assert found is not None
        return found

    def signal_worker(self, run_id: str, number: signal.Signals) -> process.Identity:
        found = self.worker_identity(run_id)
        assert process.send_signal(found, number)
        return found

    def end(self) -> None:
        """End what the test started: runners first, so that they start no more workers."""
        for child in self.children:
            child.kill()
            child.communicate()
        for row in self.store.runs():
            directory = self.directory(row.id)
            found = process.read_identity(directory.worker)
            if found is not None:
                process.send_signal(found, signal.SIGKILL)
            wait_until(lambda directory=directory: not directory.locked())  # type: ignore[misc]
        self.store.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    home.end()
