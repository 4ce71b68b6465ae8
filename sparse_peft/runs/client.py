"""What a page or a command line does with runs: have them served, watch them, cancel them."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs.events import Event
from sparse_peft.runs.launchers.local import Detached
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import POLL_SECONDS, runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.runs.waiting import Waiting
from sparse_peft.runs.worker import EXIT_REFUSED
from sparse_peft.tasks.job import Stop

RUNNER = (sys.executable, "-m", "sparse_peft.runs.runner")
_START_SECONDS = 60.0  # a loaded machine; an idle one needs 0.2
_RESTARTS = 3


def ensure_runner(
    home: Path, options: Sequence[str] = ("--exit-when-idle",), runner: Sequence[str] = RUNNER
) -> None:
    """Return when a runner serves the home; start one in its own session if none does.

    Args:
        options: of a runner that has to be started.

    Raises:
        RunError: it ended at once; the words are the runner's.
    """
    lock, log = runner_lock_path(home), home / "runner.log"
    if Lock.held_elsewhere(lock):
        return
    home.mkdir(parents=True, exist_ok=True)
    begin = log.stat().st_size if log.exists() else 0
    child = Detached([*runner, "--home", str(home), *options], log)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if Lock.held_elsewhere(lock):
            return
        status = child.poll()
        if status in (0, EXIT_REFUSED):  # idle again, or another was quicker
            return
        if status is not None:
            said = log.read_bytes()[begin:].decode(errors="replace").strip()
            raise RunError(f"The runner ended with exit status {status}: {said[-1000:]}")
        time.sleep(0.02)
    raise RunError(f"The runner did not start within {_START_SECONDS:.0f} seconds; see {log}.")


def watch(
    home: Path,
    comparison: str,
    options: Sequence[str] = ("--exit-when-idle",),
    runner: Sequence[str] = RUNNER,
) -> Iterator[tuple[str, Event]]:
    """Run ids with their events as they come, until nothing more happens by itself.

    A change of state comes as {"kind": "state", "state", "device", "error", "note"}. Where runs of
    others come first, {"kind": "waiting", "runs"} of the comparison says how many. A runner that
    died is started again.
    """
    offsets: dict[str, int] = {}
    states: dict[str, str] = {}
    starts = 0
    with Store(home) as store:
        waiting = Waiting(store, {row.id for row in store.runs(comparison)})
        while True:
            settled = store.settled(comparison)  # asked first: the last events come after it
            for row in store.runs(comparison):
                directory = RunDirectory.of(home, row.id)
                events, offsets[row.id] = directory.events(offsets.get(row.id, 0))
                for event in events:
                    starts = 0
                    yield row.id, event
                if states.get(row.id) != row.state:
                    states[row.id] = row.state
                    change = {"state": row.state, "device": row.device}
                    yield row.id, {"kind": "state", **change, "error": row.error, "note": row.note}
            if settled:
                return
            if runs := waiting.news():
                yield comparison, {"kind": "waiting", "runs": runs}
            if not Lock.held_elsewhere(runner_lock_path(home)):
                starts += 1
                if starts > _RESTARTS:
                    raise RunError(f"The runner keeps ending; see {home / 'runner.log'}.")
                ensure_runner(home, options, runner)
            time.sleep(POLL_SECONDS)


def cancel(home: Path, run_id: str, stop: Stop = "keep") -> None:
    """Ask a run to stop, and say what becomes of its result so far.

    A worker looks at each step; a run that no worker has is cancelled at once.

    Raises:
        RunError: there is no such run, or it has ended.
    """
    with Store(home) as store:
        row = store.run(run_id)
        if row.state in ("finished", "failed", "cancelled"):
            raise RunError(f"Run {run_id} is {row.state}; there is nothing to cancel.")
        directory = RunDirectory.of(home, run_id)
        directory.request_cancel(stop)
        if store.cancel_waiting(run_id) and stop == "discard":
            directory.discard()
