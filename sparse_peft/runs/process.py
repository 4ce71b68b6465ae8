"""Who a process is, so that a signal never reaches a stranger that was given its number."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sparse_peft import files, tables
from sparse_peft.errors import SpecError

_PROC = Path("/proc")
_STATE, _START_TICKS = 0, 19  # places behind the name in /proc/PID/stat, proc(5)


@dataclass(frozen=True)
class Identity:
    """A process for all time: a number alone is given out again."""

    pid: int
    start: str
    """when it started, in the words of the system"""
    boot: str
    """which boot of the machine"""


def identity(pid: int) -> Identity | None:
    """Who has this number; None when nobody does, or only a zombie."""
    if (_PROC / "self/stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def write_identity(path: Path) -> None:
    """Write down who we are."""
    ours = identity(os.getpid())
    assert ours is not None, "we are alive"
    files.write_json(path, tables.table(ours))


def read_identity(path: Path) -> Identity | None:
    """Who wrote `path`; None if nobody did."""
    try:
        return tables.build(Identity, tables.read_json(path), str(path))
    except SpecError:
        return None  # unknown: then nobody is signalled


def send_signal(recorded: Identity, number: signal.Signals) -> bool:
    """Signal the process, and its group if it leads one; False if it is not that process any more.

    A zombie is dead.
    """
    if identity(recorded.pid) != recorded:
        return False
    try:
        if os.getpgid(recorded.pid) == recorded.pid:
            os.killpg(recorded.pid, number)
        else:
            os.kill(recorded.pid, number)
    except ProcessLookupError:
        return False
    return True


def _from_proc(pid: int) -> Identity | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    if fields[_STATE] in "ZX":
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return Identity(pid, fields[_START_TICKS], boot)


def _from_ps(pid: int) -> Identity | None:
    """As macOS has it; the start is a date there, so the boot need not be known."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    plain = os.environ | {"LC_ALL": "C"}  # two processes must see the same date
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
    state, _, start = shown.stdout.strip().partition(" ")
    return None if not state or state[0] in "ZX" else Identity(pid, start.strip(), "")
