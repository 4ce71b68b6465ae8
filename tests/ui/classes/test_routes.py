"""Pictures of classes come in by their own URLs, and go out to nobody but their owner."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from sparse_peft.ui.classes.routes import MOST_FILES
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.shell import owners
from tests.ui.shells import ALICE, BOB, cookie, shell

HERE = "http://127.0.0.1:7860"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return TestClient(shell(tmp_path / "home"), base_url=HERE)


def png(shade: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 90, 200)).save(written, "PNG")
    return written.getvalue()


def give(client: TestClient, token: str | None, query: str, *pictures: bytes, **more: Any) -> Any:
    files = [("pictures", (f"{n}.png", data)) for n, data in enumerate(pictures)]
    headers = cookie(token) | more.pop("headers", {})
    return client.post(f"/studio/classes{query}", files=files, headers=headers, **more)


def desk(tmp_path: Path, token: str) -> Desk:
    return Desk(Studio(tmp_path / "home"), owners.owner_of(token), about="fewshot")


def test_pictures_go_into_a_box_or_to_a_name_whatever_the_page_is_about(
    client: TestClient, tmp_path: Path
) -> None:
    assert give(client, ALICE, "?box=1", png(1), png(2)).json() == {"box": "1", "ready": 2}
    assert give(client, ALICE, "?name=red_cup", png(3)).json() == {"box": "2", "ready": 1}
    assert give(client, ALICE, "?name=red_cup&test=true", png(4)).status_code == 200
    boxes = desk(tmp_path, ALICE).draft.classes.boxes
    assert [(box.name, len(box.pictures), len(box.tests)) for box in boxes] == [
        ("", 2, 0), ("red cup", 1, 1),
    ]  # fmt: skip
    assert list(desk(tmp_path, ALICE).folder.glob(".coming-*")) == []


def test_a_thumbnail_is_its_owner_s(client: TestClient, tmp_path: Path) -> None:
    give(client, ALICE, "?box=1", png(1))
    (file,) = (path.name for path in desk(tmp_path, ALICE).class_pictures.iterdir())
    for token, status in ((ALICE, 200), (BOB, 404), (None, 401)):
        client.cookies.clear()
        answer = client.get(f"/studio/classes/{file}?side=16", headers=cookie(token))
        assert answer.status_code == status
    for name in ("../draft.json", "..%2fdraft.json", "x.png", "draft-fewshot.json"):
        assert client.get(f"/studio/classes/{name}", headers=cookie(ALICE)).status_code == 404


def test_nonsense_is_a_sentence_and_leaves_nothing(client: TestClient, tmp_path: Path) -> None:
    for query in ("", "?box=17", f"?name={'x' * 81}", "?name=%0a", "?box=1&test=perhaps"):
        answer = give(client, ALICE, query, png(1))
        assert answer.status_code in (400, 422), query
    assert give(client, ALICE, "?box=1").status_code == 400
    many = [png(n) for n in range(MOST_FILES + 1)]
    answer = give(client, ALICE, "?box=1", *many)
    assert answer.json()["error"] == f"More than {MOST_FILES} files came at once."
    client.cookies.clear()
    assert give(client, None, "?box=1", png(1)).status_code == 401
    other = give(client, ALICE, "?box=1", png(1), headers={"origin": "http://evil.example"})
    assert other.status_code == 403
    assert not desk(tmp_path, ALICE).draft.classes.boxes[0].pictures
    assert list(desk(tmp_path, ALICE).folder.glob(".coming-*")) == []


def test_an_archive_has_to_be_a_zip(client: TestClient) -> None:
    for name, data in (("a.png", png(1)), ("a.zip", b"no zip"), ("a.csv", b"a.png,cup")):
        answer = client.post(
            "/studio/classes/archive", files={"archive": (name, data)}, headers=cookie(ALICE)
        )
        assert answer.status_code == 400
        assert "/" not in answer.json()["error"]


def test_the_example_s_pictures_are_open_and_nothing_beside_them(client: TestClient) -> None:
    assert client.get("/studio/animals/train/fox/00.png").status_code == 200
    for name in ("train/fox", "README.md", "val/fox/00.png", "train/..%2ffox/00.png"):
        assert client.get(f"/studio/animals/{name}").status_code == 404
