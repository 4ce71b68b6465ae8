"""Named endpoints for scripts: submit, status, cancel, comparison; examples/client.py uses them.

They need no page, but its cookie: whoever asks sees their own comparisons and no others. With
gradio_client, give `download_files=False`: it would fetch every path in a comparison.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import get_blocks_context
from gradio.events import api
from gradio.utils import get_upload_folder

from sparse_peft import tables
from sparse_peft.data.findings import listed, stop_on
from sparse_peft.data.pictures import Picture, open_pictures
from sparse_peft.data.words.text import check_line
from sparse_peft.errors import DataError, SpecError, UserError
from sparse_peft.runs.store import Store
from sparse_peft.ui.clicks import doing, starting
from sparse_peft.ui.clicks.actions import on_page
from sparse_peft.ui.comparisons import live, mine
from sparse_peft.ui.desk import offers
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.desk.draft import METHODS, Value
from sparse_peft.ui.shell import owners
from sparse_peft.ui.watch.watching import Live, strip_of, watcher

NOBODY = "Open the page's address first and send the cookie that it gives: it says who you are."
UNKNOWN_FILE = "A picture was not uploaded here. Send it with gradio_client's handle_file."


@dataclass(frozen=True)
class Settings:
    """What a script may say about a comparison; all of it has a default."""

    token: str | None = None
    captions: dict[str, str] = field(default_factory=dict)
    """by the name of the picture's file"""
    backbone: str = "builtin"
    preset: str = "quick"
    stop: int | None = None
    """place on the budget scale, 0 to 48; None: the preset's budget"""
    methods: tuple[str, ...] = METHODS
    over: tuple[str, ...] = ()
    """of the methods, those to train at their smallest where that is over the budget"""
    steps: int | None = None
    train_seeds: int = 1
    seed: int = 0
    prompts: tuple[str, ...] = ()
    """{subject} is the subject; empty: the usual ones"""
    fields: dict[str, dict[str, Value]] = field(default_factory=dict)
    lr: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScratchDesk(Desk):
    """A desk for one request: its owner's, but the form on the owner's own desk stays."""

    scratch: Path = Path()

    @property
    def folder(self) -> Path:
        """Where the draft of this request is."""
        return self.scratch


@dataclass(frozen=True)
class Submission:
    """What submit is sent besides the pictures."""

    noun: str
    settings: Settings


def add(studio: Studio) -> None:
    """Give the Blocks that are being built the endpoints; what they are sent may be anything."""

    def submit(pictures: Any, noun: Any, settings: Any, request: gr.Request) -> dict[str, Any]:
        """Start a comparison: a list of files, what the subject is, and a table of settings."""
        with _in_words():
            asked = {"noun": noun, "settings": settings}
            return _submitted(_desk(studio, request), pictures, asked)

    def status(comparison: Any, request: gr.Request) -> dict[str, Any]:
        """What the runs of a comparison are at."""
        with _in_words():
            asked = tables.build(doing.Which, {"comparison": comparison}, "status")
            return _status(_desk(studio, request), asked.comparison)

    def cancel(comparison: Any, keep: Any, request: gr.Request) -> dict[str, Any]:
        """Stop a comparison, and keep (true) or discard what was learned so far."""
        with _in_words():
            asked = tables.build(doing.Stop, {"comparison": comparison, "keep": keep}, "cancel")
            desk = _desk(studio, request)
            doing.stop(desk, asked)
            return _status(desk, asked.comparison)

    def comparison(comparison: Any, request: gr.Request) -> dict[str, Any]:
        """A comparison as comparison.json holds it, finished or not."""
        with _in_words():
            asked = tables.build(doing.Which, {"comparison": comparison}, "comparison")
            return live.comparison_of(_desk(studio, request), asked.comparison or "")

    for endpoint in (submit, status, cancel, comparison):
        _offer(endpoint)


def _offer(endpoint: Callable[..., Any]) -> None:
    event = api(endpoint, api_name=endpoint.__name__, concurrency_limit=2)
    blocks = get_blocks_context()
    assert blocks is not None
    for part in blocks.fns[event["id"]].inputs:
        # Gradio's own would fetch what a script names by its address, from anywhere.
        part.async_move_resource_to_block_cache = _stay  # type: ignore[method-assign,assignment]


async def _stay(path: str | Path | None) -> str | None:
    """The path as it is: what it may be is looked at where it is opened."""
    return None if path is None else str(path)


@contextmanager
def _in_words() -> Iterator[None]:
    """Inside it, a person's mistake is told to the script that made it."""
    try:
        yield
    except UserError as error:
        raise gr.Error(on_page(error), print_exception=False) from error


def _desk(studio: Studio, request: gr.Request) -> Desk:
    owner = owners.owner_in(request.cookies)
    if owner is None:
        raise SpecError(NOBODY)
    return Desk(studio, owner)


def _submitted(desk: Desk, pictures: object, sent: Mapping[str, Any]) -> dict[str, Any]:
    paths = _uploaded(pictures)
    try:
        asked = tables.build(Submission, sent, "submit")
        form = dict(vars(asked.settings))
        form["backbone"] = offers.checked(asked.settings.backbone, desk.studio.place)
        with tempfile.TemporaryDirectory() as scratch:
            own = ScratchDesk(desk.studio, desk.owner, scratch=Path(scratch))
            own.pictures.mkdir()
            opened = open_pictures(paths, own.pictures)
            stop_on(opened.findings)
            captioned = _captioned(opened.pictures, form.pop("captions"))
            own.change(pictures=captioned, noun=asked.noun, **form)
            reads = starting.subject_of(own).training_prompts()[0]
            comparison = starting.start(own)
    finally:
        _remove(paths)
    said = [str(finding) for finding in opened.findings]
    return _status(desk, comparison) | {"reads": reads, "findings": said}


def _uploaded(pictures: object) -> list[Path]:
    """Where the uploaded files are; a path that was not uploaded here is refused, unopened."""
    folder = Path(get_upload_folder()).resolve()
    found = []
    for picture in pictures if isinstance(pictures, list) else [None]:
        path = picture.get("path") if isinstance(picture, Mapping) else None
        if not isinstance(path, str) or "\0" in path:
            raise DataError(UNKNOWN_FILE)
        resolved = Path(path).resolve()
        if folder not in resolved.parents or not resolved.is_file():
            raise DataError(UNKNOWN_FILE)
        found.append(resolved)
    return found


def _captioned(pictures: Sequence[Picture], captions: Mapping[str, str]) -> tuple[Picture, ...]:
    names = [picture.name for picture in pictures]
    for name, caption in captions.items():
        check_line(caption, f"The caption of {name[:40]!r}")
        if name not in names:
            raise DataError(f"settings.captions names {name[:40]!r}; there is {listed(names)}.")
    return tuple(replace(picture, caption=captions.get(picture.name)) for picture in pictures)


def _remove(paths: Sequence[Path]) -> None:
    """Delete uploads, each with the folder that it came in."""
    for path in paths:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # another file of the same request is there still
            path.parent.rmdir()


def _status(desk: Desk, asked: str | None) -> dict[str, Any]:
    """The states of a comparison's runs by their names; what is not known yet is None."""
    comparison = mine.comparison(desk, asked)
    plan = mine.plan(desk, comparison)
    lives = watcher(desk.home).runs(comparison)
    names = {plan.prepare: "prepare"} | {run.run: run.id for run in plan.runs}
    left = [one.seconds_left for one in strip_of(desk) if one.comparison == comparison]
    with Store(desk.home) as store:
        settled = store.settled(comparison)
    return {
        "comparison": comparison,
        "settled": settled,
        "seconds_left": left[0] if left else None,
        "runs": {names[id]: _run(live) for id, live in lives.items() if id in names},
    }


def _run(live: Live) -> dict[str, Any]:
    return {
        "run": live.id, "state": live.state, "stage": live.stage, "step": live.step,
        "steps": live.steps, "error": live.error or live.note,
    }  # fmt: skip
