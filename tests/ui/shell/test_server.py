"""The studio as a process: where it listens, what it starts, what it leaves."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import app as script
from sparse_peft.errors import SpecError
from sparse_peft.files import Lock
from sparse_peft.runs import client
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.ui.desk.desk import Studio
from sparse_peft.ui.shell import runner_watch, server
from tests.runs.conftest import Home, wait_until

REPOSITORY = Path(__file__).parents[3]
LOCAL = {"STUDIO_HOST": "127.0.0.1", "STUDIO_PORT": "0"}


class Served:
    """A studio that a test started."""

    script = ("-m", "tests.ui.serving")

    def __init__(self, home: Path, **environment: str) -> None:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("STUDIO_", "SPACE_"))}
        given = {"STUDIO_HOME": str(home), "PYTHONPATH": str(REPOSITORY), **LOCAL, **environment}
        self.child = subprocess.Popen(
            [sys.executable, *self.script],
            cwd=REPOSITORY, env=plain | given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, preexec_fn=_heed_ctrl_c,
        )  # fmt: skip

    def port(self) -> int:
        """Where it listens, once it says so."""
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line.startswith("Open http://127.0.0.1:"), self.child.communicate()
        return int(line.rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status and what it said on the way."""
        self.child.send_signal(number)
        said = self.child.communicate(timeout=60)
        return self.child.returncode, "".join(said)

    def refused(self) -> str:
        """What it says when it does not start."""
        out, said = self.child.communicate(timeout=60)
        assert (self.child.returncode, out) == (2, "")
        return said


class Real(Served):
    """A studio with the real page."""

    script = ("app.py",)


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def answer(port: int, path: str = "/healthz", host: str = "127.0.0.1") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"host": host})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    home.end()


# Where it listens -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_it_does_not_listen_to_everyone_without_a_name(tmp_path: Path, host: str) -> None:
    with pytest.raises(SpecError, match="everyone on the network could reach the studio"):
        server.serve(Studio(tmp_path, "server"), host, 0, ())


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 7860), ("no.such.host.invalid", 7860), ("127.0.0.1", 70000)]
)
def test_an_address_of_another_computer_is_told(tmp_path: Path, host: str, port: int) -> None:
    with pytest.raises(SpecError, match=f"cannot listen at {host}, port {port}"):
        server.serve(Studio(tmp_path), host, port, ())


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = Real(tmp_path, STUDIO_PORT=str(port)).refused()
    assert said == (
        f"error: Port {port} is in use. Close what uses it, perhaps another studio, or set "
        f"STUDIO_PORT, such as STUDIO_PORT={port + 1}.\n"
    )


def test_settings_come_from_the_environment() -> None:
    assert script.settings({}) == script.Settings("computer", "127.0.0.1", 7860, ())
    asked = {"STUDIO_HOST": "0.0.0.0", "STUDIO_PORT": "80", "STUDIO_HOSTS": " a.org, b.org ,"}
    assert script.settings(asked) == script.Settings("server", "0.0.0.0", 80, ("a.org", "b.org"))
    space = {"SPACE_ID": "me/studio", "SPACE_HOST": "me-studio.hf.space"}
    assert script.settings(space) == script.Settings(
        "space", "0.0.0.0", 7860, ("me-studio.hf.space",)
    )
    with pytest.raises(SpecError, match="STUDIO_PORT is 'http'"):
        script.settings({"STUDIO_PORT": "http"})


def test_an_old_python_is_told_kindly() -> None:
    code = "import sys, runpy; sys.version_info = (3, 9, 1); runpy.run_path('app.py')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Sparse PEFT Studio needs Python 3.11 or newer: python3.11 app.py\n"


# What it leaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_without_a_word(
    tmp_path: Path, number: signal.Signals
) -> None:
    served = Served(tmp_path)
    port = served.port()
    assert answer(port) == 200
    assert answer(port, host="evil.example") == 400
    cwd = os.readlink(f"/proc/{served.child.pid}/cwd")
    assert Path(cwd) == tmp_path / "servers" / "empty"
    assert os.listdir(cwd) == []
    status, said = served.stop(number)
    assert status == 0
    assert said.replace("refused GET '/healthz': host 'evil.example'\n", "") == ""
    assert folders(tmp_path) == []


def folders(home: Path) -> list[Path]:
    """Those of servers that run, or were killed."""
    return [path for path in (home / "servers").iterdir() if path.name != "empty"]


@pytest.mark.slow
def test_the_real_page_is_served(tmp_path: Path) -> None:
    served = Real(tmp_path)
    port = served.port()
    assert answer(port, "/") == 200
    assert answer(port, "/studio/pulse") == 401
    assert served.stop() == (0, "")


@pytest.mark.slow
def test_two_studios_share_a_home_and_a_killed_one_leaves_nothing_for_long(tmp_path: Path) -> None:
    first = Served(tmp_path)
    assert answer(first.port()) == 200
    second = Served(tmp_path)
    assert answer(second.port()) == 200
    assert len(folders(tmp_path)) == 2
    cwd = os.readlink(f"/proc/{first.child.pid}/cwd")
    assert first.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    third = Served(tmp_path)
    assert answer(third.port()) == 200
    assert len(folders(tmp_path)) == 2
    assert Path(cwd).is_dir()  # a runner that the first one started may be in it, and its workers
    assert [second.stop()[0], third.stop()[0]] == [0, 0]
    assert folders(tmp_path) == []


# The runner beside it ---------------------------------------------------------------------


def test_a_runner_and_its_worker_outlive_the_server(home: Home) -> None:
    (run,) = home.submit(steps=20, gate=5)
    served = Served(home.path)
    served.port()
    home.wait_for_step(run, 5)
    assert served.stop() == (0, "")
    assert Lock.held_elsewhere(runner_lock_path(home.path))
    home.open_gate(run)
    home.wait_for_state(run, "finished")
    assert home.row(run).attempts == 1
    wait_until(lambda: not Lock.held_elsewhere(runner_lock_path(home.path)), "the runner's end")


@pytest.mark.slow
def test_a_killed_runner_comes_back_while_something_runs(home: Home) -> None:
    (run,) = home.submit(steps=20, gate=5)
    served = Served(home.path)
    served.port()
    home.wait_for_step(run, 5)
    killed = _runner_pid(home.path)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: _runner_pid(home.path) not in (None, killed), "another runner")
    home.open_gate(run)
    home.wait_for_state(run, "finished")
    assert home.row(run).attempts == 1
    wait_until(lambda: not Lock.held_elsewhere(runner_lock_path(home.path)), "the runner's end")
    assert served.stop()[0] == 0


def _runner_pid(home: Path) -> int | None:
    """The process that has the runner's lock open."""
    lock = str(runner_lock_path(home))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if lock in [os.readlink(fd) for fd in (entry / "fd").iterdir()]:
                    return int(entry.name)
            except OSError:
                continue
    return None


def test_no_runner_is_started_for_nothing(home: Home) -> None:
    assert not runner_watch.runner_needed(home.path)
    home.submit()
    assert runner_watch.runner_needed(home.path)
    with Lock(runner_lock_path(home.path)):
        assert not runner_watch.runner_needed(home.path)


def test_what_waits_for_an_interrupted_run_needs_no_runner(home: Home) -> None:
    (first,) = home.submit()
    home.submit(needs=(first,))
    home.store.claim("cpu")
    home.store.end(first, "interrupted")
    assert not runner_watch.runner_needed(home.path)


def test_a_runner_that_cannot_start_is_not_started_each_second(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home.submit()
    tries = []

    def fail(_home: Path) -> None:
        tries.append(time.monotonic())
        raise SpecError("no runner today")

    class Stopped(threading.Event):
        """Counts how long it would have been waited for."""

        waits: ClassVar[list[float | None]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            return len(self.waits) > 2

    monkeypatch.setattr(client, "ensure_runner", fail)
    stopped = Stopped()
    runner_watch.keep_a_runner(home.path, stopped)
    assert stopped.waits == [0.0, runner_watch.PAUSE_SECONDS, runner_watch.PAUSE_SECONDS]
    assert len(tries) == 2
    assert "no runner today" in caplog.text
