"""The studio as a server: a port, a runner beside it, and the page until it is told to stop."""

import contextlib
import errno
import http.client
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from fastapi import FastAPI

from sparse_peft.errors import SpecError
from sparse_peft.files import Lock
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Studio
from sparse_peft.ui.shell.runner_watch import keep_a_runner

EVERYWHERE = ("0.0.0.0", "::", "")
LAST_PORT = 65535
GOODBYE_SECONDS = 2  # for requests that are being answered when we are told to stop
_SWITCHES = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
_EMPTY = "empty"  # below that: the current folder of all of them
_SERVERS = "servers"  # below the home: a folder for each server that runs


def serve(studio: Studio, host: str, port: int, hosts: Collection[str]) -> None:
    """Serve the page until Ctrl-C or SIGTERM; runs go on without it.

    Args:
        port: 0 takes a free one.
        hosts: names that browsers may reach the studio by, besides those of this computer.

    Raises:
        SpecError: it cannot or must not listen there.
    """
    names = _names(host, hosts)
    Store(studio.home).close()  # a damaged or a newer one is told now, not to a browser
    with _listening(host, port) as listener, _own_folder(studio.home) as folder:
        _settle(folder)
        app = _app(studio, names)
        _run(studio.home, app, listener)


def _names(host: str, hosts: Collection[str]) -> tuple[str, ...]:
    """What the studio may be called."""
    if host in EVERYWHERE and not hosts:
        raise SpecError(
            f"STUDIO_HOST is {host or 'empty'}: everyone on the network could reach the studio. "
            "Name what they call this computer in STUDIO_HOSTS, such as "
            "STUDIO_HOSTS=lab.example.org, or leave STUDIO_HOST out."
        )
    return tuple(hosts) if host in EVERYWHERE else (*hosts, host)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if port > LAST_PORT:
            raise OSError(f"ports end at {LAST_PORT}")
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SpecError(
                f"Port {port} is in use. Close what uses it, perhaps another studio, or set "
                f"STUDIO_PORT, such as STUDIO_PORT={port + 1}."
            ) from error
        raise SpecError(
            f"The studio cannot listen at {host}, port {port} ({error}). Set STUDIO_HOST to an "
            f"address of this computer and STUDIO_PORT to 1024 to {LAST_PORT}."
        ) from error
    with listener:
        yield listener


@contextlib.contextmanager
def _own_folder(home: Path) -> Iterator[Path]:
    """A folder for this server alone; those of servers that were killed are removed."""
    servers = home / _SERVERS
    servers.mkdir(exist_ok=True)
    # Two servers may start at once: one must not remove the other's folder before it is locked.
    with Lock(home / "locks" / "servers.lock"):
        for old in servers.iterdir():
            if old.name != _EMPTY and not Lock.held_elsewhere(old / "lock"):
                shutil.rmtree(old)
        folder = Path(tempfile.mkdtemp(dir=servers))
        lock = Lock(folder / "lock")
        lock.acquire()
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _settle(folder: Path) -> None:
    """Tell Gradio, before it is imported, to call nobody and to keep its files here.

    It serves files of the current folder to everyone: that one is empty from now on.
    """
    uploads, empty = folder / "uploads", folder.parent / _EMPTY
    uploads.mkdir()
    # Not this server's own: a runner that it starts outlives it, and its workers begin there too.
    # In a folder that is no more, their libraries cannot be loaded.
    empty.mkdir(exist_ok=True)
    os.environ.update(_SWITCHES | {"GRADIO_TEMP_DIR": str(uploads)})
    os.chdir(empty)


def _app(studio: Studio, names: Collection[str]) -> FastAPI:
    from sparse_peft.ui.app import build
    from sparse_peft.ui.shell.web import create

    page = build(studio)
    https = studio.place == "space"
    return create(studio, page.blocks, names, https, theme=page.theme, head=page.head)


def _run(home: Path, app: FastAPI, listener: socket.socket) -> None:
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", server_header=False, timeout_graceful_shutdown=GOODBYE_SECONDS
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    stopped = threading.Event()
    threading.Thread(target=keep_a_runner, args=(home, stopped), daemon=True).start()
    threading.Thread(target=_announce, args=(listener, stopped), daemon=True).start()
    # uvicorn stops at a signal and then raises it again, for whoever listened before it. By
    # itself that would end us here and now.
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        server.run(sockets=[listener])
    finally:
        stopped.set()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _announce(listener: socket.socket, stopped: threading.Event) -> None:
    """Print the address once it answers."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    while not _answers(shown, port):
        if stopped.wait(0.05):
            return
    print(f"Open http://{f'[{shown}]' if ':' in shown else shown}:{port}", flush=True)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
