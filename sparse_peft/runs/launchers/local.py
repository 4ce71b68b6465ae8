"""Workers as processes of this machine; a lock that the worker holds for life tells who lives."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs import process
from sparse_peft.runs.launchers import DeviceBusy, Life
from sparse_peft.runs.run import RunDirectory

WORKER = (sys.executable, "-m", "sparse_peft.runs.worker")
_PACKAGE_PARENT = Path(__file__).parents[3]


class Detached(subprocess.Popen[bytes]):
    """A process in its own session that outlives us on purpose: forgetting it is no mistake."""

    def __init__(self, command: Sequence[str], log: Path, pass_fds: Sequence[int] = ()) -> None:
        path = os.pathsep.join(filter(None, (str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH"))))
        with log.open("ab") as output:
            super().__init__(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": path},
                pass_fds=pass_fds,
                start_new_session=True,
            )

    def __del__(self) -> None:
        """No warning; what has ended by then leaves no zombie, the rest is left to its own."""
        super().__del__(_warn=lambda *_, **__: None)  # type: ignore[call-arg]


class LocalLauncher:
    """Starts `WORKER RUN_DIR --device D --attempt N` and hands it its two locks.

    The locks are taken here and inherited, so there is no moment in which a started run is not
    locked. No parent-death signal is set: it would end the worker with the thread that started it.
    """

    def __init__(self, home: Path, worker: Sequence[str] = WORKER) -> None:
        self._home, self._worker = home, worker
        self._children: dict[str, Detached] = {}

    def start(self, run_id: str, device: str, attempt: int) -> None:
        """Start a worker; DeviceBusy if another process holds the device."""
        directory = RunDirectory.of(self._home, run_id)
        run_lock, device_lock = Lock(directory.lock), Lock(device_lock_path(self._home, device))
        try:
            if not run_lock.acquire():
                raise RunError(f"Run {run_id} already has a worker.")
            if not device_lock.acquire():
                raise DeviceBusy(device)
            assert run_lock.fd is not None
            assert device_lock.fd is not None
            held = (run_lock.fd, device_lock.fd)
            command = [*self._worker, str(directory.path), "--device", device]
            command += ["--attempt", str(attempt), "--locks", *map(str, held)]
            self._children[run_id] = Detached(command, directory.log, pass_fds=held)
        finally:
            run_lock.release()  # the child has its own hold of it
            device_lock.release()

    def poll(self, run_id: str) -> Life:
        """The lock decides; a zombie or a reused number has none."""
        child = self._children.get(run_id)
        status = None if child is None else child.poll()
        if RunDirectory.of(self._home, run_id).locked() or (child is not None and status is None):
            return Life(alive=True)
        return Life(alive=False, exit_status=status)

    def cancel(self, run_id: str, number: signal.Signals) -> bool:
        """Signal our child, or else the process that wrote itself down as the lock's holder."""
        child = self._children.get(run_id)
        if child is not None and child.poll() is None:  # not reaped, so its number is its own
            os.killpg(child.pid, number)
            return True
        directory = RunDirectory.of(self._home, run_id)
        holder = process.read_identity(directory.worker)
        return holder is not None and directory.locked() and process.send_signal(holder, number)

    def read(self, run_id: str, name: str, tail_bytes: int) -> bytes:
        """The last bytes of a file in the run directory."""
        path = RunDirectory.of(self._home, run_id).path / name
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - tail_bytes))
            return file.read()

    def attach(self, run_id: str) -> bool:
        """Whether its worker is alive: the lock is all that is needed to go on."""
        return RunDirectory.of(self._home, run_id).locked()


def device_lock_path(home: Path, device: str) -> Path:
    """The lock that the worker on a device holds for life."""
    return home / "locks" / f"device-{device.replace(':', '-')}"
