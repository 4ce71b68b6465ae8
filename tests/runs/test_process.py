"""A signal never reaches a stranger (F19)."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.runs import process

from .conftest import wait_until


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield child
    child.kill()
    child.wait()


def test_the_same_process_is_signalled(sleeper: "subprocess.Popen[bytes]") -> None:
    found = process.identity(sleeper.pid)
    assert found is not None
    assert process.send_signal(found, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


@pytest.mark.parametrize("change", [{"start": "1"}, {"boot": "another"}])
def test_f19_a_reused_number_is_not_signalled(
    sleeper: "subprocess.Popen[bytes]", change: dict[str, str]
) -> None:
    found = process.identity(sleeper.pid)
    assert found is not None
    forged = dataclasses.replace(found, **change)  # type: ignore[arg-type]
    assert not process.send_signal(forged, signal.SIGKILL)
    time.sleep(0.1)
    assert sleeper.poll() is None


def test_f19_a_zombie_is_dead(sleeper: "subprocess.Popen[bytes]") -> None:
    found = process.identity(sleeper.pid)
    assert found is not None
    os.kill(sleeper.pid, signal.SIGKILL)
    wait_until(lambda: process.identity(sleeper.pid) is None, "the zombie's death")
    os.kill(sleeper.pid, 0)  # its number is still taken: it has not been reaped
    assert not process.send_signal(found, signal.SIGKILL)


def test_a_number_without_a_process_has_no_identity(sleeper: "subprocess.Popen[bytes]") -> None:
    found = process.identity(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert process.identity(sleeper.pid) is None
    assert found is not None
    assert not process.send_signal(found, signal.SIGKILL)


def test_the_group_is_signalled_with_its_leader() -> None:
    code = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)\n"
        "sys.stdout.flush(); time.sleep(600)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as leader:
        assert leader.stdout is not None
        follower = process.identity(int(leader.stdout.readline()))
        found = process.identity(leader.pid)
        assert found is not None
        assert follower is not None
        assert process.send_signal(found, signal.SIGKILL)
    wait_until(lambda: process.identity(follower.pid) is None, "the follower's end")


def test_an_identity_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    assert process.read_identity(path) is None
    process.write_identity(path)
    assert process.read_identity(path) == process.identity(os.getpid())
    path.write_text("{")
    assert process.read_identity(path) is None


PS = """#!/bin/sh
[ "$1 $2 $3" = "-o stat=,lstart= -p" ] || exit 2
kill -0 "$4" 2>/dev/null || exit 1
echo "$(cat "$0.state")   Fri Nov 21 10:00:00 2026"
"""


def test_without_proc_the_ps_command_tells(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ps").write_text(PS)
    (tmp_path / "ps").chmod(0o755)
    (tmp_path / "ps.state").write_text("Ss+")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(process, "_PROC", tmp_path)
    found = process.identity(sleeper.pid)
    assert found == process.Identity(sleeper.pid, "Fri Nov 21 10:00:00 2026", "")
    assert not process.send_signal(dataclasses.replace(found, start="x"), signal.SIGKILL)
    (tmp_path / "ps.state").write_text("Z+")
    assert not process.send_signal(found, signal.SIGKILL)
    (tmp_path / "ps.state").write_text("R")
    assert process.send_signal(found, signal.SIGKILL)
    sleeper.wait()
    assert process.identity(sleeper.pid) is None
