"""The command line with real runners and workers, for tests of the whole."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sparse_peft.files import Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import RunRow, Store
from tests.planned import write_preset
from tests.tasks.local_job import draw_subject

REPOSITORY = Path(__file__).parents[1]
PATIENCE_SECONDS = 300.0  # far more than is needed: a loaded machine must not fail a test


class Studio:
    """A folder with pictures, prompts and presets, and a home with real runners and workers."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root / "home"
        draw_subject(root / "pictures", count=2)
        write_preset(root / "tiny.toml")
        slow = ("ing]\nsteps = 2\nsample_every = 1\ncheckpoint_every = 1",
                "ing]\nsteps = 60\nsample_every = 100\ncheckpoint_every = 5")  # fmt: skip
        write_preset(root / "long.toml", slow)
        (root / "prompts.txt").write_text("a {subject} in the snow\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a process group of its own, as a terminal starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "sparse_peft", *arguments, "--home=home"], cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, process_group=0, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_heed_ctrl_c,
        )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        child = self.start(*arguments)
        out, said = child.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(arguments, child.returncode, out, said)

    def run_plain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that keeps no runs, and so knows no home."""
        return subprocess.run(
            [sys.executable, "-m", "sparse_peft", *arguments], cwd=self.root, check=False,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, text=True, capture_output=True,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    def compare(self, out: str, preset: str = "tiny.toml", *more: str) -> list[str]:
        return [
            "compare", "--pictures=pictures", "--noun=cat", "--prompts=prompts.txt",
            f"--preset={preset}", f"--out={out}", *more,
        ]  # fmt: skip

    def rows(self) -> list[RunRow]:
        with Store(self.home) as store:
            return store.runs()

    def newest(self, kind: str) -> RunRow:
        return [row for row in self.rows() if row.kind == kind][-1]

    def events(self, run: str, kind: str) -> list[dict[str, Any]]:
        found, _ = RunDirectory.of(self.home, run).events()
        return [dict(event) for event in found if event["kind"] == kind]

    def value(self, out: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.root / out / "comparison.json").read_text())
        return value

    def when(self, true: Any, what: str) -> None:
        """Go on once a condition holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert time.monotonic() < deadline, f"{what} did not happen"
            time.sleep(0.02)

    def when_step(self, step: int, past: int = 0) -> str:
        """The training run that is at work, once it has done a step in a later attempt."""

        def at_work() -> bool:
            steps = self.events(self.newest("train").id, "step") if self.trainings() else []
            return any(e["step"] >= step and e["attempt"] > past for e in steps)

        self.when(at_work, f"step {step}")
        return self.newest("train").id

    def trainings(self) -> list[RunRow]:
        known = (self.home / "studio.db").exists()
        return [row for row in self.rows() if row.kind == "train"] if known else []

    def end(self) -> None:
        """Cancel what is left; workers and runners then end by themselves."""
        for row in self.rows():
            if row.state in ("queued", "running"):
                self.run("cancel", row.id, "--discard")
        self.when(lambda: not Lock.held_elsewhere(runner_lock_path(self.home)), "the runner's end")


def _heed_ctrl_c() -> None:
    """Undo what a shell does to its background jobs, in which tests may run: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
