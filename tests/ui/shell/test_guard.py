"""What is let in: by host, by origin, by size, and for whom."""

import contextlib
import http.client
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from sparse_peft.ui.shell import doors, owners
from sparse_peft.ui.shell.guard import Sessions
from tests.ui.shells import ALICE, BOB, cookie, png, served, shell

HERE = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("guard")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        yield root / "home"


@pytest.fixture(scope="module")
def app(home: Path) -> FastAPI:
    return shell(home)


@pytest.fixture(scope="module")
def space(home: Path) -> FastAPI:
    return shell(home, place="space", hosts=["Me-Studio.hf.space"], https=True)


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    with served(app) as port:
        yield port


@pytest.fixture
def page(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=HERE, headers=cookie(ALICE))


@pytest.fixture
def newcomer(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=HERE)


def stored(home: Path) -> list[str]:
    """Every file below the home and in Gradio's folder, but the index of runs."""
    found = [path for path in home.parent.rglob("*") if path.is_file()]
    return [str(path) for path in found if "studio.db" not in path.name]


ASKED: dict[str, dict[str, Any]] = {
    "page": {"method": "GET", "url": "/"},
    "data": {"method": "GET", "url": "/studio/pulse"},
    "run": {
        "method": "POST",
        "url": "/gradio_api/run/predict",
        "json": {"fn_index": 0, "data": []},
    },
    "join": {
        "method": "POST",
        "url": "/gradio_api/queue/join",
        "json": {"fn_index": 2, "data": [], "session_hash": "s1"},
    },
    "upload": {"method": "POST", "url": "/gradio_api/upload", "files": {"files": ("a.png", b"x")}},
    "pictures": {
        "method": "POST",
        "url": "/studio/pictures",
        "files": {"pictures": ("a.png", b"x")},
    },
}
REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "another host": ({"host": "evil.example"}, 400),
    "another host with our port": ({"host": "evil.example:7860"}, 400),
    "a host that begins like ours": ({"host": "127.0.0.1.evil.example"}, 400),
    "a host with a user": ({"host": "evil@127.0.0.1"}, 400),
    "a host with a path": ({"host": "127.0.0.1/evil"}, 400),
    "a host with an odd port": ({"host": "127.0.0.1:http"}, 400),
    "no host": ({"host": ""}, 400),
    "another origin": ({"origin": "http://evil.example"}, 403),
    "no origin that can be named": ({"origin": "null"}, 403),
    "another port": ({"origin": "http://127.0.0.1:8000"}, 403),
    "another name of this computer": ({"origin": "http://localhost:7860"}, 403),
    "another scheme": ({"origin": "https://127.0.0.1:7860"}, 403),
    "an origin that begins like ours": ({"origin": "http://127.0.0.1:7860.evil.example"}, 403),
    "another site": ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    "another port without an origin": ({"sec-fetch-site": "same-site"}, 403),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("case", REFUSED)
def test_other_pages_get_nothing_and_leave_nothing(
    page: TestClient, home: Path, asked: str, case: str
) -> None:
    headers, status = REFUSED[case]
    before = stored(home)
    answer = page.request(**ASKED[asked], headers=headers)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert stored(home) == before


@pytest.mark.parametrize("asked", ["run", "join", "upload", "pictures"])
def test_a_form_that_another_site_sends_is_no_navigation(page: TestClient, asked: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert page.request(**ASKED[asked], headers=headers).status_code == 403


@pytest.mark.parametrize("asked", ["page", "run", "upload"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": HERE, "sec-fetch-site": "same-origin"},
        {"host": "localhost:7860", "origin": "http://localhost:7860"},
        {"host": "[::1]:7860", "origin": "http://[::1]:7860"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
    ],
)
def test_our_own_page_and_programs_are_let_in(
    page: TestClient, asked: str, headers: dict[str, str]
) -> None:
    assert page.request(**ASKED[asked], headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_on_another_page_may_be_followed(page: TestClient, site: str) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
    assert "gradio_config" in page.get("/", headers=headers).text


def test_preflights_are_answered_to_nobody(page: TestClient) -> None:
    headers = {"origin": HERE, "access-control-request-method": "POST"}
    answer = page.options("/gradio_api/run/predict", headers=headers)
    assert answer.status_code == 404
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_more_names_can_be_allowed(space: FastAPI) -> None:
    page = TestClient(space, base_url="http://me-studio.hf.space")
    assert page.get("/healthz").json() == {"ok": True}
    assert page.get("/healthz", headers={"host": "x.me-studio.hf.space"}).status_code == 400


def test_an_origin_is_compared_as_the_browser_sees_us(space: FastAPI) -> None:
    page = TestClient(space, base_url="http://me-studio.hf.space", headers=cookie(ALICE))
    ok = page.request(**ASKED["run"], headers={"origin": "https://me-studio.hf.space"})
    assert ok.status_code == 200
    no = page.request(**ASKED["run"], headers={"origin": "http://me-studio.hf.space"})
    assert no.status_code == 403


# Owners -----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/", "/config"])
def test_a_page_gives_a_cookie_to_who_has_none(newcomer: TestClient, url: str) -> None:
    given = newcomer.get(url)
    assert given.headers["set-cookie"].endswith("; SameSite=Strict")
    assert given.headers["cache-control"] == "no-store"
    first = owners.token_in(dict(newcomer.cookies))
    assert first is not None
    newcomer.get(url)  # it is kept, for another year
    assert owners.token_in(dict(newcomer.cookies)) == first


def test_a_malformed_cookie_is_replaced(newcomer: TestClient) -> None:
    given = newcomer.get("/", headers={"cookie": f"{owners.COOKIE}=../../etc"})
    assert owners.token_in(dict(given.cookies)) is not None


def test_nothing_but_the_page_gives_a_cookie(newcomer: TestClient) -> None:
    for url in ("/healthz", "/theme.css", "/gradio_api/info", "/studio/pulse"):
        assert "set-cookie" not in newcomer.get(url).headers


def test_a_link_from_another_site_does_not_take_an_owner_s_things_away(
    newcomer: TestClient,
) -> None:
    """A strict cookie does not come with the click: the page asks again, from itself."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    bounced = newcomer.get("/?comparison=c1", headers=headers)
    assert "set-cookie" not in bounced.headers
    assert 'http-equiv="refresh"' in bounced.text
    again = newcomer.get("/?comparison=c1", headers=headers | {"sec-fetch-site": "same-origin"})
    assert "set-cookie" in again.headers


def test_in_a_frame_of_another_site_the_cookie_is_partitioned(space: FastAPI) -> None:
    page = TestClient(space, base_url="http://me-studio.hf.space")
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    given = page.get("/", headers=headers)
    assert given.headers["set-cookie"].endswith("; SameSite=None; Secure; Partitioned")
    assert "gradio_config" in given.text


@pytest.mark.parametrize("asked", ["run", "join", "upload", "pictures"])
def test_nobody_can_do_nothing(newcomer: TestClient, home: Path, asked: str) -> None:
    before = stored(home)
    assert newcomer.request(**ASKED[asked]).status_code == 401
    assert stored(home) == before


def test_a_session_belongs_to_who_named_it_first() -> None:
    sessions = Sessions()
    assert sessions.belongs("s", "o1")
    assert not sessions.belongs("s", "o2")
    assert sessions.belongs("s", "o1")
    assert not sessions.belongs("s" * 129, "o1")
    assert not sessions.belongs(["s"], "o1")


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "GET", "url": "/gradio_api/queue/data?session_hash=s1"},
        {"method": "GET", "url": "/gradio_api/queue/data?session_hash=s2&session_hash=s1"},
        {"method": "GET", "url": "/gradio_api/heartbeat/s1"},
        ASKED["join"],
        {
            "method": "POST",
            "url": "/gradio_api/run/predict",
            "content": b'{"fn_index": 0, "data": [], "session_hash": "s2", "session_hash": "s1"}',
            "headers": {"content-type": "application/json"},
        },
    ],
)
def test_a_session_is_not_read_by_another_owner(page: TestClient, asked: Mapping[str, Any]) -> None:
    assert page.request(**ASKED["join"]).status_code == 200
    mine = {**asked.get("headers", {}), **cookie(BOB)}
    other = TestClient(page.app, base_url=HERE)
    assert other.request(**{**asked, "headers": mine}).status_code == 403


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'"s"', b"\xff"])
def test_an_event_that_is_no_object_is_refused(page: TestClient, body: bytes) -> None:
    assert page.post("/gradio_api/run/predict", content=body).status_code == 400


# Sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/gradio_api/run/predict", "/gradio_api/queue/join"])
def test_an_event_that_is_too_large_is_refused(page: TestClient, url: str) -> None:
    event = {"fn_index": 0, "data": ["x" * doors.MOST_JSON_BYTES]}
    answer = page.post(url, json=event)
    assert answer.status_code == 413
    assert "at most 1 MB" in answer.json()["error"]


@pytest.mark.parametrize(
    ("url", "field"), [("/studio/pictures", "pictures"), ("/gradio_api/upload", "files")]
)
@pytest.mark.parametrize("told", [True, False], ids=["told before", "found while reading"])
def test_an_upload_that_is_too_large_leaves_nothing(
    home: Path, port: int, monkeypatch: pytest.MonkeyPatch, url: str, field: str, told: bool
) -> None:
    monkeypatch.setattr(doors, "MOST_UPLOAD_BYTES", 100_000)
    before = stored(home)
    head = (
        f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a.png"\r\n\r\n'.encode()
    )
    chunks = [head, *[b"x" * 10_000] * 30, b"\r\n--b--\r\n"]
    headers = {"content-type": "multipart/form-data; boundary=b"} | cookie(ALICE)
    if told:
        headers["content-length"] = str(sum(map(len, chunks)))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not hear the rest
        connection.request("POST", url, iter(chunks), headers, encode_chunked=not told)
    answer = connection.getresponse()
    assert answer.status == 413
    assert "at most" in json.loads(answer.read())["error"]
    connection.close()
    assert stored(home) == before


def test_an_upload_that_breaks_off_leaves_nothing(home: Path, port: int) -> None:
    before = stored(home)
    head = b'--b\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\nxxx'
    headers = {"content-type": "multipart/form-data; boundary=b"} | cookie(ALICE)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/studio/pictures", head, headers)
    answer = connection.getresponse()
    assert (answer.status, "did not arrive whole" in answer.read().decode()) == (400, True)
    connection.close()
    assert stored(home) == before


# Paths and headers ------------------------------------------------------------------------

ODD_PATHS = [
    "/studio/../etc/passwd", "/studio/%2e%2e/etc/passwd", "/studio/files/r/..%2f..%2frun.json",
    "/studio/files/r/%252e%252e%252frun.json", "/studio/files/r/..%5crun.json",
    "/studio/files/r/..\\run.json", "/studio/files/r/a%00.png", "/studio/files/r/a%0d%0ax:y",
    "//evil.example/", "/studio//etc/passwd", "/studio/./pulse", "/assets/../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2froutes.py", "/%2e%2e/", "/.", "/..",
]  # fmt: skip


@pytest.mark.parametrize("path", ODD_PATHS)
def test_a_path_with_two_meanings_is_refused_and_told(
    port: int, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.putrequest("GET", path)
        connection.putheader("Cookie", cookie(ALICE)["cookie"])
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (
            404,
            {"error": "There is nothing here."},
        )
        connection.close()
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(lines) == 1
    assert "more than one meaning" in lines[0]
    assert "\n" not in lines[0]


def test_the_page_may_load_from_itself_only(page: TestClient) -> None:
    for url in ("/", "/healthz", "/nothing", "/theme.css"):
        headers = page.get(url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self'; ")
        assert policy.endswith("; frame-ancestors 'self'")
        assert "http" not in policy


def test_only_a_space_may_be_framed_by_its_host(space: FastAPI) -> None:
    policy = TestClient(space, base_url=HERE).get("/").headers["content-security-policy"]
    assert policy.endswith("; frame-ancestors 'self' https://huggingface.co")
    assert policy.count("http") == 1


def test_sockets_of_the_web_are_closed(page: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as closed, page.websocket_connect("/"):
        pass
    assert closed.value.code == 1008


def test_a_picture_is_let_in(page: TestClient) -> None:
    answer = page.post("/gradio_api/upload", files={"files": ("a.png", png())})
    (path,) = answer.json()
    assert Path(path).read_bytes().startswith(b"\x89PNG")
