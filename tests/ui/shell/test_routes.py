"""The studio's own URLs: every file to its owner, and nothing beside it."""

import asyncio
import io
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from sparse_peft.data.pictures import MOST_PICTURES
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.shell import owners
from sparse_peft.ui.shell.uploads import LONGEST_NAME, plain_name
from tests.ui.shells import ALICE, BOB, cookie, furnish, png, shell

HERE = "http://127.0.0.1:7860"
OWN = {
    "output": "/studio/files/r-alice/samples/step000002/p00-s0.png",
    "map": "/studio/files/r-alice/change.png",
    "draft": "/studio/draft/aaaaaaaaaaaaaaaa.png",
    "data": "/studio/data/cat-alice/aaaaaaaaaaaaaaaa.png",
    "small": "/studio/data/cat-alice/aaaaaaaaaaaaaaaa.png?square=0,0,100,100&side=50",
}
OPEN = {
    "example": "/studio/example/samples/base/p00-s0.png",
    "subject": "/studio/subjects/cat/00.png",
    "font": "/studio/fonts/IBMPlexSans-Regular.woff2",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("routes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        yield root / "home"


@pytest.fixture(scope="module")
def app(home: Path) -> FastAPI:
    furnish(home, ALICE, "alice")
    furnish(home, BOB, "bob")
    return shell(home)


@pytest.fixture
def alice(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=HERE, headers=cookie(ALICE))


@pytest.fixture
def bob(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=HERE, headers=cookie(BOB))


@pytest.fixture
def nobody(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=HERE)


# Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", OWN.values(), ids=OWN)
def test_a_file_is_its_owner_s(
    alice: TestClient, bob: TestClient, nobody: TestClient, url: str
) -> None:
    answer = alice.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"].startswith("private, ")
    assert bob.get(url).json() == {"error": "There is nothing here."}
    assert bob.get(url).status_code == 404
    assert nobody.get(url).status_code == 401


@pytest.mark.parametrize("url", OPEN.values(), ids=OPEN)
def test_what_comes_with_the_studio_is_everyone_s(nobody: TestClient, url: str) -> None:
    answer = nobody.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] in ("image/png", "font/woff2")


@pytest.mark.parametrize(
    "url",
    [
        "/studio/files/r-alice/run.json", "/studio/files/r-alice/events.jsonl",
        "/studio/files/r-alice/adapter/secret.png", "/studio/files/r-alice/lock",
        "/studio/files/r-alice/samples", "/studio/files/r-alice/samples/", "/studio/files/r-alice",
        "/studio/files/no-such-run/change.png", "/studio/files/.hidden/change.png",
        "/studio/draft/draft.json", "/studio/draft/bbbbbbbbbbbbbbbb.png",
        "/studio/data/cat-alice/data.json", "/studio/data/cat-bob/bbbbbbbbbbbbbbbb.png",
        "/studio/example/comparison.json", "/studio/subjects/cat/captions.txt",
        "/studio/subjects/dog/00.png", "/studio/fonts/OFL.txt", "/studio/nothing",
    ],
)  # fmt: skip
def test_no_other_file_is_served(alice: TestClient, url: str) -> None:
    assert alice.get(url).status_code == 404


PAYLOADS = [
    "..", "../run.json", "../../studio.db", "....//run.json", "/etc/passwd", "~/.ssh/id_rsa",
    "samples/../run.json", "samples/../../../../studio.db", "samples/./p.png", "samples//p.png",
    "..\\run.json", "samples\\..\\run.json", "C:\\Windows\\win.ini", "%2e%2e/run.json",
    "..%2frun.json", "%252e%252e%252frun.json", "..%c0%afrun.json", "..%5crun.json",
    "change.png%00", "change.png%00.txt", "change.png::$DATA", "change.png%20", "change.png.",
    "CHANGE.PNG", "samples/%e2%80%ae.png", "samples/\u202egnp.png", "samples/a\nb.png",
    "file:///etc/passwd", "http://evil.example/a.png", "samples/" + "a" * 5000 + ".png",
    "samples/" + "a/" * 2000 + "a.png",
]  # fmt: skip
ROOMS = [
    "files/r-alice", "draft", "data/cat-alice", "example", "subjects/cat", "fonts",
    "downloads/c-alice", "files", "data", "subjects", "downloads",
]  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_no_path_leads_out(alice: TestClient, room: str) -> None:
    for payload in PAYLOADS:
        answer = _raw(alice, f"/studio/{room}/{payload}")
        assert answer in (400, 403, 404), payload


def _raw(client: TestClient, path: str) -> int:
    """The status for a path that no client has tidied up, decoded as a server does."""
    sent: list[int] = []
    raw = path.encode()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"), "raw_path": raw,
        "query_string": b"", "root_path": "", "server": ("127.0.0.1", 7860),
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"127.0.0.1:7860"), (b"cookie", cookie(ALICE)["cookie"].encode())],
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            assert isinstance(message["status"], int)
            sent.append(message["status"])

    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]


def test_the_payloads_would_find_what_is_there(alice: TestClient) -> None:
    assert _raw(alice, OWN["map"]) == 200


LINKS = {
    "file": ("runs/r-alice/samples/link.png", "/studio/files/r-alice/samples/link.png"),
    "draft": ("owners/{owner}/pictures/" + "c" * 16 + ".png", f"/studio/draft/{'c' * 16}.png"),
    "data": (
        "data/{owner}/cat-alice/" + "c" * 16 + ".png", f"/studio/data/cat-alice/{'c' * 16}.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LINKS)
@pytest.mark.parametrize("kind", ["out", "inside", "to itself", "pipe", "folder"])
def test_no_link_and_no_pipe_is_followed(
    alice: TestClient, home: Path, caplog: pytest.LogCaptureFixture, case: str, kind: str
) -> None:
    name, url = LINKS[case]
    link = home / name.format(owner=owners.owner_of(ALICE))
    if kind == "pipe":
        os.mkfifo(link)
    elif kind == "folder":
        link.mkdir()
    else:
        target = {"out": "/etc/passwd", "to itself": link.name}
        link.symlink_to(target.get(kind, next(link.parent.rglob("*.png"))))
    try:
        with caplog.at_level(logging.WARNING):
            assert alice.get(url).status_code == 404
    finally:
        link.rmdir() if kind == "folder" else link.unlink()
    if kind in ("out", "inside", "pipe"):
        assert [r.getMessage() for r in caplog.records if "refused GET" in r.getMessage()]


def test_a_folder_that_is_a_link_is_not_followed(alice: TestClient, home: Path) -> None:
    outside = home.parent / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(png())
    (home / "runs" / "r-alice" / "samples" / "linked").symlink_to(outside)
    assert alice.get("/studio/files/r-alice/samples/linked/a.png").status_code == 404


# Small pictures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ("", (300, 300)), ("?side=100", (100, 100)), ("?side=1024", (300, 300)),
        ("?square=0,0,300,300", (256, 256)), ("?square=10,20,110,120&side=50", (50, 50)),
        ("?square=10,20,110,120&side=500", (100, 100)),
    ],
)  # fmt: skip
def test_a_picture_comes_as_small_as_it_is_needed(
    alice: TestClient, asked: str, size: tuple[int, int]
) -> None:
    answer = alice.get(OWN["data"] + asked)
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.size, picture.format, picture.mode) == (size, "PNG", "RGB")


def test_the_square_is_what_was_asked_for(alice: TestClient) -> None:
    whole = Image.open(io.BytesIO(alice.get(OWN["data"]).content))
    part = Image.open(io.BytesIO(alice.get(OWN["data"] + "?square=7,9,107,109").content))
    assert part.tobytes() == whole.crop((7, 9, 107, 109)).tobytes()


@pytest.mark.parametrize(
    "asked",
    [
        "square=0,0,301,301", "square=0,0,10,20", "square=10,10,10,10", "square=-1,0,9,10",
        "square=a,b,c,d", "square=1,2,3", "square=", "square=0,0,99999999,99999999",
        "side=0", "side=-1", "side=1025", "side=1e9", "square=0,0,10,10&side=100000",
    ],
)  # fmt: skip
def test_an_impossible_square_is_refused(alice: TestClient, asked: str) -> None:
    answer = alice.get(f"{OWN['draft']}?{asked}")
    assert answer.status_code in (400, 422)


# Downloads --------------------------------------------------------------------------------


def test_the_example_is_downloaded_by_anyone(nobody: TestClient) -> None:
    answer = nobody.get("/studio/downloads/example/comparison.json")
    assert answer.json()["noun"]
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("name", ["c-alice", "c-bob+c-alice", "c-nothing", "c-alice+"])
def test_a_download_is_its_owner_s(bob: TestClient, nobody: TestClient, name: str) -> None:
    assert bob.get(f"/studio/downloads/{name}/grid.png").status_code == 404
    assert nobody.get(f"/studio/downloads/{name}/grid.png").status_code == 401


def test_a_file_made_for_a_download_is_removed_once_sent(
    alice: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = home / "made.zip"
    made.write_bytes(b"PK")
    asked: list[tuple[str | None, str, str]] = []

    def make(desk: Desk, comparison: str, what: str) -> tuple[Path, str, str]:
        asked.append((desk.open, comparison, what))
        return made, "application/zip", 'a "cat"\r\n.zip'

    monkeypatch.setattr("sparse_peft.ui.comparisons.downloads.make", make)
    answer = alice.get("/studio/downloads/c-alice/adapters.zip")
    assert (answer.content, answer.headers["content-type"]) == (b"PK", "application/zip")
    assert answer.headers["content-disposition"].endswith("''a%20%22cat%22%0D%0A.zip")
    assert asked == [("c-alice", "c-alice", "adapters.zip")]
    assert not made.exists()


def test_a_download_that_there_is_not_is_told(alice: TestClient) -> None:
    answer = alice.get("/studio/downloads/example/nothing.zip")
    assert answer.status_code == 400
    assert "no download" in answer.json()["error"]


# Pictures that come in --------------------------------------------------------------------


def left(home: Path, token: str) -> list[Path]:
    return list((home / "owners" / owners.owner_of(token)).glob(".coming-*"))


def test_pictures_come_into_the_draft(app: FastAPI, home: Path) -> None:
    token = owners.new_token()
    page = TestClient(app, base_url=HERE, headers=cookie(token))
    sent = [("pictures", ("../../IMG.png", png())), ("pictures", ("IMG.png", b"no picture"))]
    sent += [("other", ("x.png", png()))]
    answer = page.post("/studio/pictures", files=sent)
    assert (answer.status_code, answer.json()) == (200, {"ready": 1, "offered": 2})
    draft = Desk(Studio(home), owners.owner_of(token)).draft
    assert page.get(f"/studio/draft/{draft.pictures[0].file}?side=64").status_code == 200
    assert left(home, token) == []


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"files": [("other", ("a.png", b"x"))]}, "No picture came"),
        ({"json": {}}, "multipart/form-data"),
        ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, "multipart"),
        (
            {
                "content": b"--b\r\n\r\nno header",
                "headers": {"content-type": "multipart/form-data; boundary=b"},
            },
            "did not arrive whole",
        ),
        (
            {"files": [("pictures", (f"{n}.png", b"x")) for n in range(MOST_PICTURES + 1)]},
            f"More than {MOST_PICTURES} files",
        ),
    ],
)
def test_what_is_no_form_of_pictures_is_told(
    alice: TestClient, home: Path, request_: dict[str, object], sentence: str
) -> None:
    answer = alice.post("/studio/pictures", **request_)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert left(home, ALICE) == []


def test_what_a_killed_server_left_is_removed(alice: TestClient, home: Path) -> None:
    folder = home / "owners" / owners.owner_of(ALICE)
    for name, age in ((".coming-old", 7200), (".coming-new", 60)):
        (folder / name).mkdir()
        os.utime(folder / name, (time.time() - age,) * 2)
    alice.post("/studio/pictures", files={"pictures": ("a.png", b"x")})
    assert [path.name for path in left(home, ALICE)] == [".coming-new"]
    (folder / ".coming-new").rmdir()


def test_uploads_of_scripts_have_names_that_nobody_guesses(alice: TestClient) -> None:
    picture = png()
    names = set()
    for _ in range(2):
        (path,) = alice.post("/gradio_api/upload", files={"files": ("a.png", picture)}).json()
        assert Path(path).name == "a.png"
        names.add(Path(path).parent.name)
        for url in (f"/gradio_api/file={path}", f"/file={path}", f"/gradio_api/file/{path}"):
            assert alice.get(url).status_code == 404
    assert len(names) == 2
    assert all(len(name) == 32 for name in names)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cat.jpg", "cat.jpg"), ("/etc/passwd", "passwd"), ("C:\\x\\cat.jpg", "cat.jpg"),
        ("../..", "picture"), ("", "picture"), (".", "picture"), ("a\0b\n.png", "ab.png"),
        ("Käthe 猫.JPG", "Käthe 猫.JPG"), ("\u202egnp.exe", "gnp.exe"), (".png", ".png"),
        ("x" * 300 + ".jpeg", "x" * (LONGEST_NAME - 5) + ".jpeg"), ("x" * 300, "x" * LONGEST_NAME),
        ("a." + "y" * 300, ("a." + "y" * 300)[:LONGEST_NAME]),
    ],
)  # fmt: skip
def test_a_name_keeps_what_a_person_would_know_it_by(given: str, name: str) -> None:
    assert plain_name(given) == name


# The pulse --------------------------------------------------------------------------------


def test_the_pulse_sees_what_is_one_s_own(
    alice: TestClient, nobody: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None, object]] = []

    def pulse(desk: Desk, seen: dict[str, str]) -> dict[str, object]:
        asked.append((desk.owner, desk.open, seen))
        return {"moved": []}

    monkeypatch.setattr("sparse_peft.ui.watch.watching.pulse", pulse)
    for opened in ("c-alice", "c-bob", "example", "c-alice+c-bob", "../x"):
        answer = alice.get("/studio/pulse", params={"open": opened, "seen": '{"a": "b"}'})
        assert (answer.json(), answer.headers["cache-control"]) == (
            {"moved": []}, "private, no-store",
        )  # fmt: skip
    owner = owners.owner_of(ALICE)
    opened_then = ["c-alice", None, "example", None, None]
    assert asked == [(owner, opened, {"a": "b"}) for opened in opened_then]
    assert nobody.get("/studio/pulse").status_code == 401


@pytest.mark.parametrize("seen", ["", "[]", "{", "[" * 20_000, '{"a": 1}', json.dumps("x" * 10)])
def test_what_was_seen_is_an_object(alice: TestClient, seen: str) -> None:
    answer = alice.get("/studio/pulse", params={"seen": seen})
    assert answer.status_code == 400


def test_the_real_pulse_answers_who_has_nothing_yet(nobody: TestClient) -> None:
    answer = nobody.get("/studio/pulse", headers=cookie(owners.new_token()))
    assert answer.status_code == 200
    assert answer.json()["moved"]
