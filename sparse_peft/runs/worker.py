"""The process that does one run: `python -m sparse_peft.runs.worker RUN_DIR --device cpu-0`.

It knows its run directory and nothing else: no database, no engine, no page.
"""

import argparse
import errno
import faulthandler
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from sparse_peft.errors import UserError
from sparse_peft.files import FULL, DiskError, Lock
from sparse_peft.runs import process
from sparse_peft.runs.events import EventLog
from sparse_peft.runs.launchers.local import device_lock_path
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec
from sparse_peft.tasks.job import Cancelled, Job, NotFinite, Stop

KINDS = {  # by kind, or by task/kind where a task does it in its own way
    "prepare": "sparse_peft.tasks.dreambooth.prepare:run",
    "train": "sparse_peft.tasks.dreambooth.train:run",
    "generate": "sparse_peft.tasks.dreambooth.generate:run",
    "probe": "sparse_peft.tasks.probe:run",
    "fewshot/prepare": "sparse_peft.tasks.fewshot.prepare:run",
    "fewshot/train": "sparse_peft.tasks.fewshot.train:run",
    "fewshot/classify": "sparse_peft.tasks.fewshot.classify:run",
    "fewshot/merge": "sparse_peft.tasks.fewshot.merge:run",
}
EXIT_FAILED, EXIT_REFUSED, EXIT_DISK = 1, 3, 4
CPU_NICENESS = 10  # of 19; alone on the machine it takes nothing away
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerJob:
    """One run as its kind sees it; fulfils `tasks.job.Job`."""

    def __init__(self, directory: RunDirectory, device: str, log: EventLog) -> None:
        self.settings: Mapping[str, Any] = directory.spec.settings
        self.folder = directory.path
        self.device = "cpu" if device.startswith("cpu") else "cuda:0"
        self.attempt = log.attempt
        self._directory, self._log, self._slot = directory, log, device

    @property
    def beside(self) -> int:
        """How many other CPU slots of this machine are at work at this moment."""
        ours = device_lock_path(self._directory.home, self._slot)
        slots = ours.parent.glob("device-cpu-*")
        return sum(Lock.held_elsewhere(slot) for slot in slots if slot != ours)

    def emit(self, kind: str, **fields: Any) -> None:
        """Append an event."""
        self._log.emit(kind, **fields)

    def should_stop(self) -> Stop | None:
        """What the cancel file says."""
        return self._directory.cancel_requested()

    def save_checkpoint(self, step: int, tensors: dict[str, Any], state: dict[str, Any]) -> None:
        """Keep everything needed to go on after `step`, then say so."""
        self._directory.save_checkpoint(step, tensors, state)
        self._log.emit("checkpoint", step=step)

    def load_checkpoint(self) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
        """The newest good checkpoint, with a note for each that was passed over."""
        found, notes = self._directory.load_checkpoint()
        for text in notes:
            self._log.emit("note", text=text)
        return found

    def report(self, value: dict[str, Any]) -> None:
        """Write report.json."""
        self._directory.write_report(value)


def main(arguments: list[str], kinds: Mapping[str, str] = KINDS) -> int:
    """Do the run and return the exit status: 0 finished or cancelled, else the constants above.

    Args:
        kinds: "module:function" of each kind of run, see KINDS.
    """
    asked = _parse(arguments)
    directory = RunDirectory(asked.run_dir.resolve())
    locks = _locks(directory, asked.device, asked.locks)
    if locks is None:
        return EXIT_REFUSED
    _write_output_to(directory.log)
    process.write_identity(directory.worker)
    _set_device(asked.device)
    previous = directory.last_attempt()
    attempt = previous + 1 if asked.attempt is None else asked.attempt
    if attempt <= previous:
        print(f"Attempt {attempt} is stale: the run is at {previous}.", file=sys.stderr)
        return EXIT_REFUSED
    log = directory.event_log(attempt)
    log.emit("started", device=asked.device, run_kind=directory.spec.kind)
    job = WorkerJob(directory, asked.device, log)
    return _work(job, directory, log, lambda: _function(_where(kinds, directory.spec))(job))


def _work(job: WorkerJob, directory: RunDirectory, log: EventLog, do: Callable[[], None]) -> int:
    try:
        do()
        directory.seal()
        log.emit("finished")
    except Cancelled as end:
        kept = job.should_stop() != "discard"
        if kept:
            directory.seal()
        else:
            directory.discard()
        log.emit("cancelled", step=end.step, kept=kept)
    except Exception as error:  # whatever it was, the run says so
        with suppress(OSError):  # the log may be what found no room
            traceback.print_exc()
        log.emit("failed", reason=_reason(error), error=_sentence(error))
        return EXIT_FAILED
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sparse_peft.runs.worker", description="Do one run.")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--device", required=True, help="a slot such as cpu-0 or cuda:0")
    parser.add_argument("--attempt", type=int, help="default: one more than the last")
    parser.add_argument(
        "--locks", type=int, nargs=2, help="open files that hold the run's and the device's lock"
    )
    return parser.parse_args(arguments)


def _locks(directory: RunDirectory, device: str, given: list[int] | None) -> list[Lock] | None:
    """The run's and the device's lock, held until this process ends; None if one is taken."""
    paths = (directory.lock, device_lock_path(directory.home, device))
    if given is not None:
        return [Lock.inherited(path, fd) for path, fd in zip(paths, given, strict=True)]
    locks = [Lock(path) for path in paths]
    for lock in locks:
        if not lock.acquire():
            print(f"{lock.path} is held: another worker is at work there.", file=sys.stderr)
            return None
    return locks


def _write_output_to(log: Path) -> None:
    """Send what libraries print, and the trace of a crash, to the run's log."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(fd, stream.fileno())
    os.close(fd)
    faulthandler.enable()


def _set_device(device: str) -> None:
    """Let this process see its device alone; comes before torch is imported.

    On a CPU it steps back for whoever waits for an answer: the page, and what else a person does.
    """
    if device.startswith("cpu"):
        os.nice(CPU_NICENESS)
        os.environ.update(dict.fromkeys(_THREADS, "1"), CUDA_VISIBLE_DEVICES="")
        return
    index = int(device.removeprefix("cuda:"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[index] if visible else str(index)


def _where(kinds: Mapping[str, str], spec: RunSpec) -> str:
    return kinds.get(f"{spec.task}/{spec.kind}") or kinds[spec.kind]


def _function(where: str) -> Callable[[Job], None]:
    module, _, name = where.partition(":")
    found: Callable[[Job], None] = getattr(importlib.import_module(module), name)
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, NotFinite):
        return "not_finite"
    if isinstance(error, DiskError) or (isinstance(error, OSError) and error.errno in FULL):
        return "disk"
    if f"(os error {errno.ENOSPC})" in str(error):  # as safetensors words it
        return "disk"
    return "memory" if _is_memory(error) else "error"


def _is_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")  # whoever ran out of its memory has imported it
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if _reason(error) == "memory":
        return (
            "The memory did not suffice. Use a smaller resolution or batch, or close other "
            f"programs. ({_first_line(error)})"
        )
    if _reason(error) == "disk":
        number = error.errno if isinstance(error, OSError) else errno.ENOSPC
        return f"The disk is full or failing: {os.strerror(number or errno.EIO)}."
    return f"{type(error).__name__}: {_first_line(error)} The whole story is in log.txt."


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message."


def run_as_process(kinds: Mapping[str, str] = KINDS) -> NoReturn:
    """Do the run that the command line names, and end the process."""
    try:
        sys.exit(main(sys.argv[1:], kinds))
    except DiskError:
        with suppress(OSError):
            traceback.print_exc()
        os._exit(EXIT_DISK)  # a normal exit would fail to flush and hide the status


if __name__ == "__main__":
    run_as_process()
