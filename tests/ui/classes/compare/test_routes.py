"""URLs of few-shot comparisons over HTTP: whose they are, and what they give."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from sparse_peft.files import Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.shell import owners
from tests.ui.classes.kept_classes import keep
from tests.ui.own_desk import act
from tests.ui.shells import ALICE, BOB, cookie, png, shell

HERE = "http://127.0.0.1:7860"
ID = "the id of Alice's comparison"
OWNED = (
    f"/studio/comparisons/{ID}/pictures/0",
    f"/studio/comparisons/{ID}/cell?row=lora&truth=0&predicted=0",
    f"/studio/downloads/{ID}/predictions.csv",
    f"/studio/downloads/{ID}/report.html",
    f"/studio/downloads/{ID}/comparison.json",
    f"/studio/downloads/{ID}/adapters.zip",
    f"/studio/downloads/{ID}/adapter-lora-s1.zip",
    f"/studio/downloads/{ID}/merged-lora-s1.zip",
    f"/studio/downloads/{ID}/classify-lora-s1.py",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Alice's desk with a comparison whose LoRA has become a checkpoint; nothing begins."""
    root = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, Lock(runner_lock_path(root / "home")):
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        found, comparison = keep(
            root, methods=("lora",), owner=owners.owner_of(ALICE), classes=3, seeds=(1,)
        )
        act(found, "merge", run="lora-s1")
        with Store(found.home) as store:
            [run] = [row.id for row in store.runs(comparison) if row.kind == "merge"]
            folder = RunDirectory.of(found.home, run).path / "merged"
            folder.mkdir()
            (folder / "classify_folder.py").write_text("print('owl')\n")
            store.end(run, "finished")
        yield found


@pytest.fixture(scope="module")
def app(desk: Desk) -> FastAPI:
    return shell(desk.home)


def client(app: FastAPI, token: str | None) -> TestClient:
    return TestClient(app, base_url=HERE, headers=cookie(token))


def at(desk: Desk, url: str) -> str:
    return url.replace(ID, str(desk.open))


@pytest.mark.parametrize("url", OWNED)
def test_everything_is_its_owner_s(app: FastAPI, desk: Desk, url: str) -> None:
    assert client(app, ALICE).get(at(desk, url)).status_code == 200
    nowhere = client(app, BOB).get(url.replace(ID, "no-such-thing"))
    others = client(app, BOB).get(at(desk, url))
    assert others.status_code == nowhere.status_code == 404
    assert others.json() == nowhere.json()
    assert client(app, None).get(at(desk, url)).status_code == 401


def test_only_the_owner_tries_a_picture(app: FastAPI, desk: Desk) -> None:
    url = f"/studio/comparisons/{desk.open}/try"
    form = {"pictures": ("mine.png", png(), "image/png")}
    assert client(app, BOB).post(url, files=form).status_code == 404
    assert client(app, None).post(url, files=form).status_code == 401
    answer = client(app, ALICE).post(url, files=form)
    assert answer.status_code == 200
    run = RunDirectory.of(desk.home, answer.json()["run"])
    assert (run.spec.kind, run.spec.owner) == ("classify", desk.owner)
    [name] = run.spec.settings["pictures"]
    seen = client(app, ALICE).get(f"/studio/data/tried/{name}?side=64")
    assert seen.headers["content-type"] == "image/png"
    assert client(app, BOB).get(f"/studio/data/tried/{name}").status_code == 404


def test_what_is_no_picture_is_told_and_leaves_nothing(app: FastAPI, desk: Desk) -> None:
    url = f"/studio/comparisons/{desk.open}/try"
    answer = client(app, ALICE).post(url, files={"pictures": ("no.png", b"nothing", "image/png")})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("no.png could not be read: ")
    nothing = client(app, ALICE).post(url, files={"other": ("a.png", png(), "image/png")})
    assert nothing.json()["error"] == ("No picture came with that. Choose one or more files.")
    assert list(desk.folder.glob(".coming-*")) == []


@pytest.mark.parametrize(
    "asked",
    ["row=so&truth=0&predicted=0", "row=lora&truth=3&predicted=0", "row=lora&truth=-1&predicted=0"],
)
def test_a_cell_that_there_is_not_is_told(app: FastAPI, desk: Desk, asked: str) -> None:
    answer = client(app, ALICE).get(f"/studio/comparisons/{desk.open}/cell?{asked}")
    assert answer.status_code == 400
    assert "There is no such cell" in answer.json()["error"]


def test_what_is_asked_for_has_its_type(app: FastAPI, desk: Desk) -> None:
    alice = client(app, ALICE)
    for url in ("pictures/x", "pictures/-1", "pictures/100000", "pictures/0%2e", "cell?row=lora"):
        assert alice.get(f"/studio/comparisons/{desk.open}/{url}").status_code in (400, 404, 422)
    assert alice.get(f"/studio/comparisons/{desk.open}/pictures/0?side=0").status_code == 400


def test_a_picture_in_place_comes_small(app: FastAPI, desk: Desk) -> None:
    answer = client(app, ALICE).get(f"/studio/comparisons/{desk.open}/pictures/0?side=16")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, max(picture.size)) == ("PNG", 16)
    assert "private" in answer.headers["cache-control"]


def test_downloads_hold_what_their_names_say(app: FastAPI, desk: Desk) -> None:
    alice = client(app, ALICE)

    def got(name: str) -> bytes:
        return alice.get(f"/studio/downloads/{desk.open}/{name}").content

    value = json.loads(got("comparison.json"))
    assert (value["task"], value["shots"]) == ("fewshot", 4)
    rows = list(csv.DictReader(io.StringIO(got("predictions.csv").decode())))
    of_lora = [row for row in rows if row["method"] == "lora"]
    accuracy = sum(row["right"] == "1" for row in of_lora) / len(of_lora)
    lora = next(row for row in value["runs"] if row["method"] == "lora")
    assert accuracy == pytest.approx(lora["metrics"]["accuracy"]["mean"])
    assert b"<!doctype html>" in got("report.html")
    with zipfile.ZipFile(io.BytesIO(got("adapters.zip"))) as archive:
        assert "lora-s1/classifier.json" in archive.namelist()
        about = archive.read("README.txt").decode()
    assert "Adapters of CLIP for 3 classes" in about
    assert "lora-s1: LoRA" in about
    with zipfile.ZipFile(io.BytesIO(got("merged-lora-s1.zip"))) as archive:
        assert archive.namelist() == ["merged/classify_folder.py"]
    assert got("classify-lora-s1.py") == b"print('owl')\n"
    for name in ("grid.png", "pictures.csv", "adapter-so-s1.zip", "merged-so-s1.zip"):
        answer = alice.get(f"/studio/downloads/{desk.open}/{name}")
        assert answer.status_code == 400


def test_what_is_gone_from_its_place_is_not_there(tmp_path: Path) -> None:
    desk, comparison = keep(
        tmp_path, methods=("lora",), owner=owners.owner_of(ALICE), classes=3, seeds=(1,)
    )
    app = shell(desk.home)
    assert client(app, ALICE).get(f"/studio/comparisons/{comparison}/pictures/1").status_code == 200
    for path in (desk.home / "data" / desk.owner).rglob("*.png"):
        path.unlink()
    answer = client(app, ALICE).get(f"/studio/comparisons/{comparison}/pictures/1")
    assert answer.status_code == 404
    shutil.rmtree(desk.home / "data")
