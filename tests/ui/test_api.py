"""The named endpoints, asked over a real server by gradio_client as a script would."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from sparse_peft.files import Lock
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui import api
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.shell import owners
from sparse_peft.ui.shell.web import create
from tests.studio import PATIENCE_SECONDS, REPOSITORY
from tests.tasks.local_job import draw_subject
from tests.ui.own_desk import plan_of, quick_presets, states
from tests.ui.shells import ALICE, BOB, served

# Gradio's queue counts its events with what pandas is giving up.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

Home = tuple[Path, str]  # the home folder, and the address of the studio


@contextmanager
def studio(root: Path, *changes: tuple[str, str]) -> Iterator[Home]:
    """A served studio with the endpoints and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(root / "uploads"))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        quick_presets(root / "presets", patch, *changes)
        home = Studio(root / "home")

        async def made() -> FastAPI:  # without a loop, Gradio makes loops that nobody closes
            with gr.Blocks(analytics_enabled=False) as blocks:
                api.add(home)
            return create(home, blocks)

        with served(asyncio.run(made())) as port:
            yield home.home, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def served_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A studio in whose home no runner can start."""
    root = tmp_path_factory.mktemp("api")
    draw_subject(root / "pictures")
    with studio(root) as (home, address), Lock(runner_lock_path(home)):
        yield home, address


@contextmanager
def script(address: str, token: str = ALICE) -> Iterator[Client]:
    cookies = {"cookies": {owners.COOKIE: token}}
    client = Client(address, verbose=False, download_files=False, httpx_kwargs=cookies)
    yield client
    client.close()


@pytest.fixture
def alice(served_home: Home) -> Iterator[Client]:
    with script(served_home[1]) as client:
        yield client


def pictures(served_home: Home) -> list[Any]:
    folder = served_home[0].parent / "pictures"
    return [handle_file(path) for path in sorted(folder.iterdir())]


def submitted(client: Client, served_home: Home, **settings: Any) -> dict[str, Any]:
    settings = {"prompts": ["a {subject} at sea"], "methods": ["lora", "so"], **settings}
    value: dict[str, Any] = client.predict(
        pictures(served_home), "cat", settings, api_name="/submit"
    )
    return value


def desk(served_home: Home, token: str = ALICE) -> Desk:
    return Desk(Studio(served_home[0]), owners.owner_of(token))


def test_submitting_starts_a_comparison_and_leaves_no_upload(
    alice: Client, served_home: Home
) -> None:
    status = submitted(alice, served_home, captions={"1.png": "on a sofa"}, seed=11)
    plan = plan_of(desk(served_home), status["comparison"])
    assert (plan.preset, [run.id for run in plan.runs]) == ("quick", ["lora", "so"])
    assert status["reads"] == "a sks cat"
    assert [run["state"] for run in status["runs"].values()] == ["queued"] * 3
    assert list(status["runs"]) == ["prepare", "lora", "so"]
    assert (status["settled"], status["runs"]["so"]["steps"]) == (False, 2)
    assert not [path for path in (served_home[0].parent / "uploads").rglob("*") if path.is_file()]
    saved = json.loads((served_home[0] / "data" / plan.subject / "data.json").read_text())
    assert [picture["caption"] for picture in saved["pictures"]] == [None, "on a sofa", None]


def test_what_is_on_the_owners_desk_stays(alice: Client, served_home: Home) -> None:
    desk(served_home).change(noun="owl", lr={"so": 3.0})
    submitted(alice, served_home, seed=12)
    assert (desk(served_home).draft.noun, desk(served_home).draft.lr) == ("owl", {"so": 3.0})


def test_asked_twice_it_is_one_comparison(alice: Client, served_home: Home) -> None:
    first = submitted(alice, served_home, seed=13)
    assert submitted(alice, served_home, seed=13)["comparison"] == first["comparison"]


def test_cancelling_and_looking(alice: Client, served_home: Home) -> None:
    comparison = submitted(alice, served_home, seed=14)["comparison"]
    value = alice.predict(comparison, api_name="/comparison")
    assert (value["id"], [run["state"] for run in value["runs"]]) == (comparison, ["queued"] * 2)
    status = alice.predict(comparison, True, api_name="/cancel")
    assert status["settled"]
    assert {run["state"] for run in status["runs"].values()} == {"cancelled"}
    assert status == alice.predict(comparison, api_name="/status")


def test_another_owner_sees_and_stops_nothing(alice: Client, served_home: Home) -> None:
    comparison = submitted(alice, served_home, seed=15)["comparison"]
    with script(served_home[1], BOB) as bob:
        for name, more in (("status", ()), ("cancel", (False,)), ("comparison", ())):
            with pytest.raises(AppError, match="There is no comparison"):
                bob.predict(comparison, *more, api_name=f"/{name}")
        assert submitted(bob, served_home, seed=15)["comparison"] != comparison
    assert states(desk(served_home), comparison) == ["queued"] * 3


def test_a_new_script_is_given_a_cookie_and_keeps_it(served_home: Home) -> None:
    client = Client(served_home[1], verbose=False)
    token = client.cookies[owners.COOKIE]
    comparison = submitted(client, served_home)["comparison"]
    client.close()
    with script(served_home[1], token) as again:
        assert again.predict(comparison, api_name="/status")["comparison"] == comparison


@pytest.mark.parametrize(
    ("noun", "settings", "words"),
    [
        ("", {}, "Say what it is first, in a word such as dog."),
        (7, {}, "submit.noun is 7; expected str"),
        ("cat", [], "submit.settings is []; expected a table"),
        ("cat", {"methds": ["lora"]}, "unknown setting 'methds'. Did you mean 'methods'?"),
        ("cat", {"stop": "far"}, "settings.stop is 'far'"),
        ("cat", {"preset": "../quick.toml"}, "unknown preset"),
        ("cat", {"backbone": "a folder"}, "backbone 'a folder': no such folder"),
        ("cat", {"captions": {"9.png": "x"}}, "settings.captions names '9.png'; there is 0.png"),
        ("cat", {"captions": {"0.png": "two\nlines"}}, "has line breaks or control characters"),
        ("cat", {"train_seeds": 10**9}, "train seeds is 1000000000; use 1 to 100."),
    ],
)
def test_a_mistake_is_a_sentence(
    alice: Client, served_home: Home, noun: Any, settings: Any, words: str
) -> None:
    before = len(Store(served_home[0]).comparisons())
    with pytest.raises(AppError) as caught:
        alice.predict(pictures(served_home), noun, settings, api_name="/submit")
    assert words in str(caught.value)
    assert len(Store(served_home[0]).comparisons()) == before
    assert not [path for path in (served_home[0].parent / "uploads").rglob("*") if path.is_file()]


FILE = {"_type": "gradio.FileData"}


@pytest.mark.parametrize(
    "picture",
    [
        {"path": "/etc/hostname"},
        {"path": "/etc/hostname", "meta": FILE},
        {"path": "UPLOADS/../presets/tiny.toml", "meta": FILE},
        {"path": "UPLOADS", "meta": FILE},
        {"path": "http://127.0.0.1:9/cat.png", "meta": FILE},
        {"path": "http://127.0.0.1:9/cat.png", "url": "http://127.0.0.1:9/cat.png", "meta": FILE},
        {"path": "a\0b", "meta": FILE},
        {"path": 3},
        "UPLOADS/x.png",
        None,
    ],
)
def test_only_what_was_uploaded_here_is_opened(
    alice: Client, served_home: Home, picture: Any
) -> None:
    uploads = str(served_home[0].parent / "uploads")
    sent = json.loads(json.dumps(picture).replace("UPLOADS", uploads))
    preset = served_home[0].parent / "presets" / "tiny.toml"
    with pytest.raises(AppError):
        _raw(alice, "submit", [[sent], "cat", {}])
    assert preset.is_file()


def test_no_endpoint_fetches_a_file_that_a_script_names(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def fetched(url: str, **_: object) -> str:
        asked.append(url)
        return ""

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetched)
    for name, arguments in (("submit", 3), ("status", 1), ("cancel", 2), ("comparison", 1)):
        file = {"path": "http://example.org/cat.png", "meta": FILE}
        with pytest.raises(AppError):
            _raw(alice, name, [file] * arguments)
    assert asked == []


def _raw(client: Client, name: str, data: list[Any]) -> Any:
    """Ask without the client's own look at files: as a hostile script would."""
    endpoint = next(e for e in client.endpoints.values() if e.api_name == f"/{name}")
    endpoint.process_input_files = lambda *data: data
    return client.predict(*data, api_name=f"/{name}")


def test_without_the_cookie_nothing_is_answered(served_home: Home) -> None:
    client = Client(served_home[1], verbose=False)
    client.cookies.clear()
    with pytest.raises(Exception, match="401"):
        client.predict("c", api_name="/status")
    client.close()


@pytest.mark.slow
def test_the_example_script_goes_from_pictures_to_numbers(tmp_path: Path) -> None:
    one_seed = ("seeds = [0, 1, 2]", "seeds = [0]")
    with studio(tmp_path, one_seed) as (home, address):
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "examples" / "client.py"), address],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=False,
            capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert 'The backbone reads: "a sks cat on the grass"' in done.stdout
        value = json.loads((tmp_path / "comparison.json").read_text())
        assert [run["state"] for run in value["runs"]] == ["finished"] * 2
        assert "waveft against lora: " in done.stdout
        token = (tmp_path / "studio-owner.txt").read_text()
        with Store(home) as store:
            assert store.comparisons(owners.owner_of(token)) == [value["id"]]
