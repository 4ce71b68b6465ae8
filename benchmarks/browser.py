"""The studio served on this machine and a real browser before it: for figures and for tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from playwright.sync_api import Browser, sync_playwright

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs import client, process
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store

REPOSITORY = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
)  # fmt: skip
START_SECONDS = 60.0
END_SECONDS = 30.0
OVER = ("finished", "failed", "cancelled", "interrupted")


def free_port() -> int:
    """A port of the loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """`python app.py` on a port of its own; leaving it ends its runs too."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Served":
        self.home.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(signal.SIGTERM)
        _end_runs(self.home)

    def start(self) -> None:
        """Serve, and return when the page answers."""
        log = (self.home / "server.log").open("ab")
        settings = {"STUDIO_HOME": str(self.home), "STUDIO_PORT": str(self.port)}
        self._server = subprocess.Popen(
            self.command(), env=os.environ | settings,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError):
                urllib.request.urlopen(f"{self.url}/healthz", timeout=2).close()
                return
            if self._server.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the studio did not start: {self.said()}")

    def command(self) -> list[str]:
        """What serves."""
        return [sys.executable, str(REPOSITORY / "app.py")]

    def end(self, how: signal.Signals) -> None:
        """End the server alone; its runs go on."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(how)
            self._server.wait(END_SECONDS)

    def said(self) -> str:
        """What it printed."""
        return (self.home / "server.log").read_text(errors="replace")[-2000:]

    @property
    def seconds_used(self) -> float:
        """Processor time of the server so far."""
        assert self._server is not None
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end_runs(home: Path) -> None:
    """Cancel what waits or works, and end by its own number what does not stop."""
    with Store(home) as store:
        for row in store.runs():
            if row.state not in OVER:
                with suppress(RunError):
                    client.cancel(home, row.id, "discard")
        deadline = time.monotonic() + END_SECONDS
        while Lock.held_elsewhere(runner_lock_path(home)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for row in store.runs():
            directory = RunDirectory.of(home, row.id)
            worker = process.read_identity(directory.worker) if directory.locked() else None
            if worker is not None:
                process.send_signal(worker, signal.SIGKILL)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()
