"""The FastAPI app around the page: the guard, our own URLs, and Gradio below them."""

from collections.abc import Collection
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.errors import UserError
from sparse_peft.ui.desk.desk import Studio
from sparse_peft.ui.shell.guard import Guard
from sparse_peft.ui.shell.refusals import RefusedError, refuse
from sparse_peft.ui.shell.routes import router

IDLE_POLL_SECONDS = 0.05
MOST_SESSION_STATES = 200  # each takes 0.3 MB with Gradio; ours hold nothing
UPLOADS_LOOKED_AT_SECONDS = 600
UPLOADS_KEPT_SECONDS = 3600


def create(
    studio: Studio,
    blocks: gr.Blocks,
    hosts: Collection[str] = (),
    https: bool = False,
    **looks: Any,
) -> FastAPI:
    """The whole app, ready to be served.

    Args:
        hosts: names that it is reached by, besides those of this computer.
        https: whether browsers come by https although the app is asked by http.
        looks: theme and head of the page.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RefusedError, refuse)
    app.add_exception_handler(UserError, refuse)
    app.add_middleware(CORSMiddleware, allow_origins=[])  # else Gradio admits other origins
    app.add_middleware(Guard, hosts=hosts, https=https, framed=studio.place == "space")
    app.include_router(router(studio, blocks.upload_file_set))
    blocks.delete_cache = (UPLOADS_LOOKED_AT_SECONDS, UPLOADS_KEPT_SECONDS)
    blocks.state_session_capacity = MOST_SESSION_STATES
    # Its own wait is 1 ms, which takes 5 % of a core from training for a page that nobody uses.
    blocks._queue.sleep_when_free = IDLE_POLL_SECONDS
    mounted: FastAPI = gr.mount_gradio_app(
        app, blocks, path="/", footer_links=[], run_history=False, ssr_mode=False,
        enable_monitoring=False, pwa=False, show_error=False, mcp_server=False,
        max_file_size=MOST_BYTES, **looks,
    )  # fmt: skip
    return mounted
