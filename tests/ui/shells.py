"""The shell around a page of two elements, so that a test need not wait for the whole page."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from PIL import Image

from sparse_peft.runs.spec import ComparisonSpec, RunSpec
from sparse_peft.runs.store import Store
from sparse_peft.ui.desk.desk import Desk, Place, Studio
from sparse_peft.ui.shell import owners
from sparse_peft.ui.shell.web import create

ALICE, BOB = owners.new_token(), owners.new_token()
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class SmallPage:
    """What `build` of the real page gives."""

    blocks: gr.Blocks
    theme: Any = None
    head: str = ""


def build(studio: Studio) -> SmallPage:
    """A page with one private event and one named endpoint; both say what their owner has."""

    def mine(request: gr.Request) -> str:
        owner = owners.owner_in(request.cookies)
        if owner is None:
            return "nobody"
        with Store(studio.home) as store:
            return f"{owner} {store.comparisons(owner)}"

    def look(paths: list[str], request: gr.Request) -> str:
        return f"{mine(request)} {[Path(path).read_bytes()[:4].hex() for path in paths]}"

    with gr.Blocks(analytics_enabled=False) as blocks:
        said = gr.Textbox()
        gr.Button("Mine").click(mine, outputs=said, queue=False, api_visibility="private")
        gr.Button("Look").click(
            look, inputs=gr.Files(type="filepath"), outputs=said, api_name="look"
        )
        gr.api(mine, api_name="mine")
    return SmallPage(blocks)


def module() -> ModuleType:
    """Stands where the real page is imported from."""
    found = ModuleType("sparse_peft.ui.app")
    found.build = build  # type: ignore[attr-defined]
    return found


def shell(home: Path, place: Place = "computer", **options: Any) -> FastAPI:
    """The app that is served, with the small page in it."""
    studio = Studio(home, place)

    async def made() -> FastAPI:  # without a loop, Gradio makes loops that nobody closes
        return create(studio, build(studio).blocks, **options)

    return asyncio.run(made())


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """The port of a real server on this computer, which ends with the block."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)


def furnish(home: Path, token: str, name: str) -> Desk:
    """Give an owner a comparison with a finished picture, a data set and a draft."""
    owner = owners.owner_of(token)
    with Store(home) as store:
        store.submit(
            ComparisonSpec(f"c-{name}", owner), [RunSpec(f"r-{name}", "train", owner, f"c-{name}")]
        )
    desk = Desk(Studio(home), owner)
    picture = png()
    run = home / "runs" / f"r-{name}"
    for path in (
        run / "samples" / "step000002" / "p00-s0.png",
        run / "change.png",
        run / "adapter" / "secret.png",
        desk.pictures / f"{name[0] * 16}.png",
        home / "data" / owner / f"cat-{name}" / f"{name[0] * 16}.png",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    return desk


def cookie(token: str | None) -> dict[str, str]:
    """The header of a request by an owner, or by nobody."""
    return {} if token is None else {"cookie": f"{owners.COOKIE}={token}"}


def png(side: int = 300) -> bytes:
    """A picture that nobody finds blurry."""
    written = io.BytesIO()
    Image.effect_noise((side, side), 80).convert("RGB").save(written, "PNG")
    return written.getvalue()
