"""The directory of a run: the truth about it, for its worker and for everyone who looks."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sparse_peft import files
from sparse_peft.files import Lock
from sparse_peft.runs import checkpoint, events, spec
from sparse_peft.runs.events import Event, EventLog
from sparse_peft.runs.spec import RunSpec, State
from sparse_peft.tasks.job import Stop

# What the engine itself keeps there; all else is the run's output.
_OWN = ("run.json", "events.jsonl", "lock", "worker.json", "cancel", "log.txt")
_OWN_FOLDERS = ("inputs", "checkpoint")


@dataclass(frozen=True)
class Outcome:
    """What the directory alone says of an attempt."""

    state: State
    attempt: int
    error: str | None = None
    note: str | None = None
    device: str | None = None
    told: bool = False
    """an event tells the end; else it follows from the lock and the cancel file"""


class RunDirectory:
    """One run on the disk, below the `runs` folder of a home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inputs = path / "inputs"
        self.adapter = path / "adapter"
        self.log = path / "log.txt"
        self.worker = path / "worker.json"
        self.lock = path / "lock"

    @classmethod
    def of(cls, home: Path, run_id: str) -> "RunDirectory":
        """The directory of a run in a home."""
        return cls(home / "runs" / run_id)

    @classmethod
    def create(cls, home: Path, run: RunSpec) -> "RunDirectory":
        """A new directory with its run.json; an existing one is never taken over."""
        directory = cls.of(home, run.id)
        directory.path.mkdir(parents=True)
        try:
            spec.write_spec(directory.path / "run.json", run)
        except BaseException:
            shutil.rmtree(directory.path)
            raise
        return directory

    @cached_property
    def spec(self) -> RunSpec:
        """What was asked for."""
        return spec.read_run_spec(self.path / "run.json")

    @property
    def home(self) -> Path:
        """The home folder that the run belongs to."""
        return self.path.parent.parent

    def locked(self) -> bool:
        """Whether a worker is alive."""
        return Lock.held_elsewhere(self.lock)

    # The wish to stop ---------------------------------------------------------------------

    def request_cancel(self, stop: Stop) -> None:
        """Ask the worker to stop; the later wish counts."""
        files.write_text(self.path / "cancel", stop)

    def withdraw_cancel(self) -> None:
        """Take the wish back."""
        (self.path / "cancel").unlink(missing_ok=True)

    def cancel_requested(self) -> Stop | None:
        """What is to become of the result, if someone asked to stop."""
        try:
            text = (self.path / "cancel").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return "discard" if text.strip() == "discard" else "keep"

    # Events -------------------------------------------------------------------------------

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        """The complete events from `offset` on, and the offset to go on from."""
        return events.read_events(self.path / "events.jsonl", offset)

    def event_log(self, attempt: int) -> EventLog:
        """The writer of events; whoever asks for it holds the lock."""
        return EventLog(self.path / "events.jsonl", attempt)

    def last_attempt(self) -> int:
        """The number of the last attempt that wrote an event; 0 before the first."""
        return max((event["attempt"] for event in self.events()[0]), default=0)

    def outcome(self) -> Outcome:
        """What became of the last attempt."""
        found, _ = self.events()
        attempt = max((event["attempt"] for event in found), default=0)
        last = [event for event in found if event["attempt"] == attempt]
        device = next((e.get("device") for e in reversed(last) if e["kind"] == "started"), None)
        ends = [event for event in last if event["kind"] in events.ENDS]
        if self.locked():
            return Outcome("running", attempt, device=device)
        if ends:
            state: State = ends[-1]["kind"]
            error, note = ends[-1].get("error"), ends[-1].get("note")
            return Outcome(state, attempt, error, note, device, told=True)
        if self.cancel_requested():
            return Outcome("cancelled", attempt, device=device)
        return Outcome("interrupted" if last else "queued", attempt, device=device)

    # Results ------------------------------------------------------------------------------

    def save_checkpoint(self, step: int, tensors: dict[str, Any], state: dict[str, Any]) -> None:
        """Keep what is needed to go on after `step`."""
        checkpoint.save(self.path / "checkpoint", step, tensors, state)

    def load_checkpoint(self) -> tuple[checkpoint.Checkpoint | None, list[str]]:
        """The newest good checkpoint, and a sentence for each that was passed over."""
        return checkpoint.newest_good(self.path / "checkpoint")

    def write_report(self, value: Mapping[str, Any]) -> None:
        """Write report.json, whole or not at all."""
        files.write_json(self.path / "report.json", value)

    def report(self) -> dict[str, Any] | None:
        """The result of the run; None if there is none."""
        try:
            text = (self.path / "report.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        value: dict[str, Any] = json.loads(text)
        return value

    def seal(self) -> None:
        """Make the outputs survive a loss of power, and list them in manifest.json."""
        files.seal(self.path, leave_out=(*_OWN, *_OWN_FOLDERS))

    def outputs(self) -> dict[str, dict[str, Any]]:
        """The files of a finished run, with sha256 and bytes."""
        return files.read_manifest(self.path)

    def discard(self) -> None:
        """Remove outputs and checkpoints; what was asked for and what happened stay."""
        for path in self.path.iterdir():
            if path.is_dir() and path.name != "inputs":
                shutil.rmtree(path)
            elif path.is_file() and path.name not in _OWN:
                path.unlink()
