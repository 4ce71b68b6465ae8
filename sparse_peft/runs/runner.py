"""The process that starts workers: `python -m sparse_peft.runs.runner --home DIR`.

One a home. Killed and started again it takes over what is at work; workers outlive it.
"""

import argparse
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft.errors import UserError
from sparse_peft.files import DiskError, Lock
from sparse_peft.runs import devices, inputs
from sparse_peft.runs.launchers import DeviceBusy, Launcher
from sparse_peft.runs.launchers.local import WORKER, LocalLauncher, device_lock_path
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import State
from sparse_peft.runs.store import RunRow, Store
from sparse_peft.runs.worker import EXIT_DISK, EXIT_REFUSED

EXIT_MISTAKE = 2
POLL_SECONDS = 0.1
GRACE_SECONDS = 30.0  # no step and no picture of the built-in backbone takes as long
TERM_SECONDS = 0.5  # between SIGTERM and SIGKILL
_RETRY_SECONDS = 1.0
_KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOG_TAIL_BYTES = 2000


@dataclass
class _Work:
    """A run that a worker has, as the runner sees it."""

    id: str
    device: str
    attempt: int
    seen_bytes: int = -1  # of its events: when they grow, it is alive and hears us
    quiet_since: float = 0.0
    terminated_at: float | None = None


class Runner:
    """Claims runs for free slots, launches them and writes how they ended.

    Args:
        grace_seconds: how long a cancelled worker may be silent before it is ended by force.
        resume_interrupted: how many attempts an interrupted run gets by itself.
    """

    def __init__(
        self,
        home: Path,
        store: Store,
        slots: Sequence[str],
        launcher: Launcher,
        grace_seconds: float = GRACE_SECONDS,
        resume_interrupted: int = 0,
    ) -> None:
        self._home, self._store, self._slots, self._launcher = home, store, slots, launcher
        self._grace_seconds, self._resume = grace_seconds, resume_interrupted
        self._work: dict[str, _Work] = {}

    def adopt(self) -> None:
        """Take over every run that has a worker, and end those whose worker is gone."""
        for row in self._store.runs(state="running"):
            work = _Work(row.id, row.device or "", row.attempts)
            if self._launcher.attach(row.id):
                self._work[row.id] = work
                _say(f"{row.id}: taken over")
            elif RunDirectory.of(self._home, row.id).last_attempt() < row.attempts:
                self._store.give_back(row.id)  # its worker never began
            else:
                self._end(work, None)

    def tick(self) -> bool:
        """Look at everything once; whether there is anything left to do."""
        for work in list(self._work.values()):
            life = self._launcher.poll(work.id)
            if life.alive:
                self._urge(work)
            else:
                self._end(work, life.exit_status)
        self._fill_slots()
        return bool(self._work) or self._store.claimable()

    # Starting -----------------------------------------------------------------------------

    def _fill_slots(self) -> None:
        used = {work.device for work in self._work.values()}
        for slot in self._slots:
            if slot in used or Lock.held_elsewhere(device_lock_path(self._home, slot)):
                continue
            row = self._store.claim(slot) if self._store.claimable() else None
            if row is None:
                return
            self._launch(row, slot)

    def _launch(self, row: RunRow, slot: str) -> None:
        directory = RunDirectory.of(self._home, row.id)
        work = _Work(row.id, slot, row.attempts)
        try:
            if directory.cancel_requested():
                self._end_cancelled(work, note=None)
                return
            if not directory.locked():  # else someone started its worker by hand
                inputs.place(directory)
                self._launcher.start(row.id, slot, row.attempts)
        except DeviceBusy:
            self._store.give_back(row.id)
        except UserError as error:
            self._end_failed(work, "disk" if isinstance(error, DiskError) else "error", str(error))
        except OSError as error:
            self._end_failed(work, "error", f"The worker could not be started: {error}.")
        else:
            self._work[row.id] = work
            _say(f"{row.id}: {row.kind} on {slot}, attempt {row.attempts}")

    # Cancelling ---------------------------------------------------------------------------

    def _urge(self, work: _Work) -> None:
        """End a cancelled worker that is silent for too long."""
        directory = RunDirectory.of(self._home, work.id)
        if directory.cancel_requested() is None:
            return
        now, size = time.monotonic(), _size(directory.path / "events.jsonl")
        if size != work.seen_bytes:
            work.seen_bytes, work.quiet_since = size, now
        if work.terminated_at is None:
            if now - work.quiet_since >= self._grace_seconds:
                self._launcher.cancel(work.id, signal.SIGTERM)
                work.terminated_at = now
        elif now - work.terminated_at >= TERM_SECONDS:
            self._launcher.cancel(work.id, signal.SIGKILL)

    # Ending -------------------------------------------------------------------------------

    def _end(self, work: _Work, exit_status: int | None) -> None:
        directory = RunDirectory.of(self._home, work.id)
        outcome = directory.outcome()
        if outcome.state == "running":
            return  # a worker was started by hand in the meantime
        if outcome.attempt == work.attempt and outcome.told:
            self._write(work, outcome.state, outcome.error, outcome.note)
        elif directory.cancel_requested():
            self._end_cancelled(work, "It did not stop by itself and was ended by force.")
        elif exit_status is None or -exit_status in _KILLS:
            self._end_interrupted(work, exit_status)
        elif exit_status == EXIT_DISK:
            self._end_failed(work, "disk", "The disk is full or failing. Free some space.")
        else:
            self._end_failed(work, "error", self._last_words(work, exit_status))

    def _end_cancelled(self, work: _Work, note: str | None) -> None:
        directory = RunDirectory.of(self._home, work.id)
        kept = directory.cancel_requested() != "discard"
        events, _ = directory.events()
        step = max((event["step"] for event in events if event["kind"] == "step"), default=0)
        if not kept:
            directory.discard()
        self._record(work, "cancelled", step=step, kept=kept, note=note)
        self._write(work, "cancelled", None, note)

    def _end_failed(self, work: _Work, reason: str, error: str) -> None:
        self._record(work, "failed", reason=reason, error=error)
        self._write(work, "failed", error, None)

    def _end_interrupted(self, work: _Work, exit_status: int | None) -> None:
        note = "Its worker is gone."
        if exit_status is not None:
            note = f"Its worker was ended by {_signal_name(-exit_status)}."
        if exit_status == -signal.SIGKILL:
            note += " If nobody did that, the memory ran out."
        self._write(work, "interrupted", None, note)
        if work.attempt <= self._resume:
            self._store.requeue(work.id)

    def _record(self, work: _Work, kind: str, **fields: object) -> None:
        """Append the end that the worker could not; the store has it in any case."""
        directory = RunDirectory.of(self._home, work.id)
        try:
            with Lock(directory.lock):
                directory.event_log(work.attempt).emit(kind, **fields)
        except DiskError as error:
            _say(f"{work.id}: {error}")

    def _write(self, work: _Work, state: State, error: str | None, note: str | None) -> None:
        self._store.end(work.id, state, error, note)
        self._work.pop(work.id, None)
        _say(f"{work.id}: {state}")

    def _last_words(self, work: _Work, exit_status: int) -> str:
        tail = self._launcher.read(work.id, "log.txt", _LOG_TAIL_BYTES)
        lines = tail.decode(errors="replace").strip().splitlines() or ["nothing in log.txt."]
        if exit_status < 0:
            return f"The worker crashed ({_signal_name(-exit_status)}): {lines[-1]}"
        return f"The worker ended with exit status {exit_status}: {lines[-1]}"


def runner_lock_path(home: Path) -> Path:
    """The lock that a home's runner holds for life."""
    return home / "locks" / "runner.lock"


def main(arguments: Sequence[str], worker: Sequence[str] = WORKER) -> int:
    """Serve a home until told to stop, or until idle; 3 if another runner does."""
    asked = _parse(arguments)
    home = asked.home.resolve()
    lock = Lock(runner_lock_path(home))
    if not lock.acquire():
        print(f"Another runner serves {home} already; one does all its runs.", file=sys.stderr)
        return EXIT_REFUSED
    slots = devices.slots(asked.devices or devices.found_devices(), asked.cpu_slots)
    launcher = LocalLauncher(home, worker)
    try:
        with Store(home) as store:
            runner = Runner(
                home, store, slots, launcher, asked.grace_seconds, asked.resume_interrupted
            )
            _serve(runner, asked.exit_when_idle)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_MISTAKE
    return 0


def _serve(runner: Runner, exit_when_idle: bool) -> None:
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    adopted = False
    while not stopped:
        try:
            if not adopted:
                runner.adopt()
                adopted = True
            if not runner.tick() and exit_when_idle:
                return
            time.sleep(POLL_SECONDS)
        except sqlite3.OperationalError as error:  # full or busy: nothing is lost by waiting
            _say(f"The store cannot be written, trying again: {error}")
            time.sleep(_RETRY_SECONDS)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sparse_peft.runs.runner", description="Start workers.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--devices", type=lambda text: text.split(","), help="such as cuda:0,cpu")
    parser.add_argument("--cpu-slots", type=int, default=2, help="one-thread runs at a time")
    parser.add_argument("--grace-seconds", type=float, default=GRACE_SECONDS)
    parser.add_argument("--resume-interrupted", type=int, default=0, help="attempts by itself")
    parser.add_argument("--exit-when-idle", action="store_true")
    return parser.parse_args(arguments)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number alone
        return f"signal {number}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
