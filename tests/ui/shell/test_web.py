"""The whole app around the real page: nobody sees or changes anything of anybody else."""

import asyncio
import dataclasses
import hashlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from gradio.queueing import Queue
from gradio.routes import BUILD_PATH_LIB
from starlette.routing import Mount
from starlette.testclient import TestClient

from sparse_peft.files import Lock
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui import app as pages
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.shell import owners
from sparse_peft.ui.shell.web import IDLE_POLL_SECONDS, create
from tests.ui.own_desk import lay_pictures, plan_of, quick_presets, started
from tests.ui.shells import ALICE, BOB, cookie

HERE = "http://127.0.0.1:7860"
REPOSITORY = Path(__file__).parents[3]
SECRET = "alicesea"  # a word that only Alice's prompts have

REACHABLE = {
    "GET /", "HEAD /", "GET /config", "GET /assets/{path:path}", "GET /static/{path:path}",
    "GET /theme.css", "GET /favicon.ico", "GET /robots.txt", "GET /manifest.json",
    "GET /gradio_api/info", "GET /gradio_api/app_id", "POST /gradio_api/run/{api_name}",
    "POST /gradio_api/queue/join", "GET /gradio_api/queue/data",
    "GET /gradio_api/heartbeat/{session_hash}", "POST /gradio_api/upload",
    "GET /healthz", "GET /studio/pulse", "POST /studio/pictures",
    "GET /studio/files/{run}/{name:path}", "GET /studio/draft/{file}",
    "GET /studio/data/{subject}/{file}", "GET /studio/downloads/{comparison}/{what}",
    "GET /studio/example/{name:path}", "GET /studio/subjects/{name}/{file}",
    "GET /studio/fonts/{file}", "POST /studio/classes", "POST /studio/classes/archive",
    "GET /studio/classes/{file}", "GET /studio/animals/{name:path}",
}  # fmt: skip
PUBLIC = {
    "GET /", "HEAD /", "GET /config", "GET /assets/{path:path}", "GET /static/{path:path}",
    "GET /theme.css", "GET /favicon.ico", "GET /robots.txt", "GET /manifest.json",
    "GET /gradio_api/info", "GET /gradio_api/app_id", "GET /healthz",
    "GET /studio/example/{name:path}", "GET /studio/subjects/{name}/{file}",
    "GET /studio/fonts/{file}", "GET /studio/animals/{name:path}",
}  # fmt: skip


@dataclass(frozen=True)
class Held:
    """What Alice has, and how it is asked for."""

    desk: Desk
    comparison: str
    runs: tuple[str, ...]
    subject: str
    picture: Path

    @property
    def ids(self) -> tuple[str, ...]:
        return self.comparison, self.runs[0], self.subject, self.picture.name

    def files(self) -> dict[str, str]:
        """Every file of hers by its content."""
        home, owner = self.desk.home, self.desk.owner
        folders = [home / "owners" / owner, home / "data" / owner]
        folders += [home / "comparisons" / self.comparison, *(home / "runs" / r for r in self.runs)]
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    def states(self) -> list[str]:
        with Store(self.desk.home) as store:
            return [row.state for row in store.runs(self.comparison)]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    root = tmp_path_factory.mktemp("shell")
    with pytest.MonkeyPatch.context() as patch, Lock(runner_lock_path(root / "home")):
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        quick_presets(root / "presets", patch)
        desk = Desk(Studio(root / "home"), owners.owner_of(ALICE))
        lay_pictures(desk, root / "pictures")
        comparison = started(desk, prompts=(f"a {{subject}} at {SECRET}",))
        plan = plan_of(desk, comparison)
        runs = (plan.prepare, *(run.run for run in plan.runs))
        picture = sorted(desk.pictures.glob("*.png"))[0]
        shown = desk.home / "runs" / runs[0] / "samples" / "p00-s0.png"
        shown.parent.mkdir()
        shown.write_bytes(picture.read_bytes())
        desk.class_pictures.mkdir()
        (desk.class_pictures / picture.name).write_bytes(picture.read_bytes())
        yield Held(desk, comparison, runs, Path(plan.subject).name, picture)


@pytest.fixture(scope="module")
def app(held: Held) -> FastAPI:
    async def made() -> FastAPI:
        page = pages.build(held.desk.studio)
        return create(held.desk.studio, page.blocks, theme=page.theme, head=page.head)

    return asyncio.run(made())


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=HERE) as client:  # with a block: the queue runs
        yield client


def routes_of(app: Any) -> set[str]:
    """All routes, Gradio's with ours: GET /config."""
    found = set()
    for route in app.routes:
        inner = getattr(route, "original_router", None) or (
            route.app if isinstance(route, Mount) else None
        )
        if inner is not None:
            found |= routes_of(inner)
        else:
            found |= {f"{method} {route.path}" for method in route.methods}
    return found


def filled(path: str, held: Held) -> str:
    """A route's path that asks for what Alice has."""
    own = {
        "files/{run}/{name:path}": f"files/{held.runs[0]}/samples/p00-s0.png",
        "draft/{file}": f"draft/{held.picture.name}",
        "studio/classes/{file}": f"studio/classes/{held.picture.name}",
        "animals/{name:path}": "animals/train/fox/00.png",
        "data/{subject}/{file}": f"data/{held.subject}/{held.picture.name}",
        "{comparison}/{what}": f"{held.comparison}/comparison.json",
        "example/{name:path}": "example/samples/base/p00-s0.png",
        "subjects/{name}/{file}": "subjects/cat/00.png",
        "fonts/{file}": "fonts/IBMPlexSans-Regular.woff2",
        "static/{path:path}": "static/img/logo_nosize.svg",
        "assets/{path:path}": f"assets/{sorted(Path(BUILD_PATH_LIB).glob('index-*.js'))[0].name}",
        "run/{api_name}": "run/predict",
        "{session_hash}": "alices",
    }
    for template, value in own.items():
        path = path.replace(template, value)
    return path.replace("{", "").replace("}", "").replace(":path", "")


def statuses(client: TestClient, app: FastAPI, held: Held, token: str | None) -> dict[str, int]:
    """What each route says to an owner; nothing secret may be said to another than Alice."""
    found = {}
    secrets = [SECRET.encode(), held.desk.owner.encode(), held.picture.read_bytes()]
    for route in sorted(routes_of(app) - {"GET /gradio_api/heartbeat/{session_hash}"}):
        method, _, path = route.partition(" ")
        sent: dict[str, Any] = {"json": {}} if method == "POST" else {}
        if path.endswith(("upload", "pictures", "classes", "archive")):
            sent = {"files": {"other": ("a.png", b"x")}}
        client.cookies.clear()  # what the page gave a moment ago
        answer = client.request(method, filled(path, held), headers=cookie(token), **sent)
        found[route] = answer.status_code
        if token != ALICE:
            assert not [secret for secret in secrets if secret in answer.content], route
    return found


def test_nothing_but_what_the_page_needs_can_be_reached(
    client: TestClient, app: FastAPI, held: Held
) -> None:
    """A route that a new Gradio brings is shut until someone opens it."""
    routes = routes_of(app)
    assert len(routes) > 80
    assert routes >= REACHABLE
    found = statuses(client, app, held, ALICE)
    shut = {route for route, status in found.items() if status == 404}
    assert routes - shut - {"GET /gradio_api/heartbeat/{session_hash}"} <= REACHABLE
    assert shut & REACHABLE == set()


def test_every_route_is_one_owner_s(client: TestClient, app: FastAPI, held: Held) -> None:
    before = held.files()
    alice, bob = (statuses(client, app, held, token) for token in (ALICE, BOB))
    own = [
        "GET /studio/files/{run}/{name:path}", "GET /studio/draft/{file}",
        "GET /studio/classes/{file}", "GET /studio/data/{subject}/{file}",
        "GET /studio/downloads/{comparison}/{what}",
    ]  # fmt: skip
    assert {alice[route] for route in own} == {200}
    assert {bob[route] for route in own} == {404}
    differ = {route for route in alice if alice[route] != bob[route]}
    assert differ <= {*own, "GET /gradio_api/queue/data"}
    assert held.files() == before


def test_nobody_gets_what_is_public(client: TestClient, app: FastAPI, held: Held) -> None:
    before = held.files()
    found = statuses(client, app, held, None)
    reached = {route for route, status in found.items() if status not in (401, 404)}
    assert reached <= PUBLIC
    assert held.files() == before


# Events -----------------------------------------------------------------------------------


def event(client: TestClient, token: str | None, number: int, **more: Any) -> tuple[int, str]:
    """The answer to a private event."""
    body = {"fn_index": number, "data": [], "session_hash": f"page-of-{token}", **more}
    client.cookies.clear()
    answer = client.post("/gradio_api/run/predict", json=body, headers=cookie(token))
    return answer.status_code, answer.text


def numbers(client: TestClient) -> dict[str, int]:
    """The page's functions by name."""
    found = client.get("/config", headers=cookie(BOB)).json()["dependencies"]
    return {one["api_name"]: one["id"] for one in found}


def test_the_page_is_drawn_for_who_asks(client: TestClient, held: Held) -> None:
    query = f"?comparison={held.comparison}"
    load = numbers(client)["load"]
    for token, status, secret in ((ALICE, 200, True), (BOB, 200, False), (None, 401, False)):
        client.cookies.clear()
        answer = client.post(
            f"/gradio_api/run/predict{query}",
            json={"fn_index": load, "data": [], "session_hash": f"drawn-for-{token}"},
            headers=cookie(token),
        )
        assert answer.status_code == status
        assert (SECRET in answer.text) == secret
        assert (held.picture.name in answer.text) == secret


def guesses(asks: type, value: str) -> dict[str, Any]:
    """Arguments of an action in which every text is one of Alice's ids."""
    made: Mapping[object, Any] = {
        str: value, int: 0, float: 0.5, bool: True, str | None: value, int | None: 0,
        tuple[str, ...]: [value],
    }  # fmt: skip
    return {one.name: made.get(one.type, value) for one in dataclasses.fields(asks)}


@pytest.mark.slow
def test_no_click_reaches_what_is_another_s(client: TestClient, held: Held) -> None:
    before, states = held.files(), held.states()
    act = numbers(client)["act"]
    assert len(pages.ACTIONS) > 10
    for name, action in pages.ACTIONS.items():
        for one in held.ids:
            asked = {"do": name, "open": held.comparison, **guesses(action.asks, one)}
            status, text = event(client, BOB, act, event_data=asked)
            assert status in (200, 500), name
            assert SECRET not in text, name
            assert held.desk.owner not in text, name
        assert event(client, None, act, event_data={"do": name})[0] == 401
    assert held.files() == before
    assert held.states() == states


def told(client: TestClient, token: str, number: int, data: list[Any]) -> str:
    """What a named endpoint says at the end."""
    session = f"script-of-{token}-{number}"
    client.cookies.clear()
    body = {"fn_index": number, "data": data, "session_hash": session}
    joined = client.post("/gradio_api/queue/join", json=body, headers=cookie(token))
    assert joined.status_code == 200, joined.text
    said = client.get(f"/gradio_api/queue/data?session_hash={session}", headers=cookie(token))
    (end,) = [line for line in said.text.splitlines() if '"process_completed"' in line]
    return end


def test_every_named_endpoint_is_one_owner_s(client: TestClient, held: Held) -> None:
    before, states = held.files(), held.states()
    names = client.get("/gradio_api/info", headers=cookie(BOB)).json()["named_endpoints"]
    assert set(names) == {"/submit", "/status", "/cancel", "/comparison"}
    asked: dict[str, list[Any]] = {
        "submit": [[{"path": str(held.picture)}], "cat", {}],
        "status": [held.comparison],
        "cancel": [held.comparison, False],
        "comparison": [held.comparison],
    }
    by_name = numbers(client)
    for name, data in asked.items():
        said = told(client, BOB, by_name[name], data)
        assert '"success":false' in said.replace(" ", ""), name
        assert SECRET not in said
        body = {"fn_index": by_name[name], "data": data, "session_hash": "anyone"}
        client.cookies.clear()
        assert client.post("/gradio_api/queue/join", json=body).status_code == 401
    assert held.files() == before
    assert held.states() == states
    assert SECRET in told(client, ALICE, by_name["comparison"], [held.comparison])


# What is off ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/gradio_api/openapi.json"])
def test_pages_about_the_api_are_off(client: TestClient, path: str) -> None:
    assert client.get(path, headers=cookie(ALICE)).status_code == 404


def test_the_page_asks_for_nothing_elsewhere_and_keeps_no_history(client: TestClient) -> None:
    config = client.get("/config").json()
    assert config["footer_links"] == []
    assert config["run_history"] is False
    assert not config.get("pwa")
    assert not config.get("mcp_server")
    assert not config.get("show_error")


def test_an_idle_queue_wakes_seldom(app: FastAPI) -> None:
    """Gradio's own is 1 ms; the name of it is Gradio's, and may change."""
    (gradio,) = [route.app for route in app.routes if isinstance(route, Mount)]
    assert gradio.get_blocks()._queue.sleep_when_free == IDLE_POLL_SECONDS  # type: ignore[attr-defined]
    assert "self.sleep_when_free" in inspect.getsource(Queue.start_processing)


OFFLINE = """
import json, os, signal, sys, threading, time, http.client
asked = []
def hook(name, what):
    if name in ("socket.connect", "socket.sendto"):
        asked.append([name, str(what[1][0]) if isinstance(what[1], tuple) else str(what[1])])
    elif name in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        asked.append([name, str(what[0])])
sys.addaudithook(hook)
import app
from sparse_peft.ui.shell import server
started = server._announce
def look(listener, stopped):
    started(listener, stopped)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1])
        connection.request("GET", "/")
        page = connection.getresponse()
        cookie = page.getheader("set-cookie").split(";")[0]
        assert b"gradio_config" in page.read()
        connection.request("GET", "/config", headers={"cookie": cookie})
        calls = json.loads(connection.getresponse().read())["dependencies"]
        load = [one["id"] for one in calls if one["api_name"] == "load"]
        body = json.dumps({"fn_index": load[0], "data": [], "session_hash": "s"})
        connection.request("POST", "/gradio_api/run/predict", body,
                           {"cookie": cookie, "content-type": "application/json"})
        drawn = connection.getresponse()
        assert drawn.status == 200, drawn.read()
        assert b"board" in drawn.read()
        connection.request("GET", "/studio/pulse", headers={"cookie": cookie})
        assert connection.getresponse().read()
        time.sleep(2)
        print("asked", json.dumps(asked))
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
server._announce = look
sys.exit(app.main())
"""


@pytest.mark.slow
def test_the_server_calls_nobody(tmp_path: Path) -> None:
    """From its import over its start to the first page: no name is looked up, no one is called."""
    switches = ("GRADIO_", "HF_", "STUDIO_", "SPACE_")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(switches)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=180, check=False,
        env=bare | {"STUDIO_HOME": str(tmp_path), "STUDIO_PORT": "0",
                    "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("asked ")]
    asked = json.loads(line.removeprefix("asked "))
    assert ["socket.connect", "127.0.0.1"] in asked  # our own first look: the hook works
    assert [one for one in asked if one[1] not in ("127.0.0.1", "::1", "localhost")] == []
