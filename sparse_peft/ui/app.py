"""The page as a Gradio app: a board for each part, and one function behind all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from sparse_peft.report.marks import hue_variables
from sparse_peft.report.page import FACES
from sparse_peft.ui import api
from sparse_peft.ui.classes import sorting
from sparse_peft.ui.clicks import choosing, doing, gathering, looking, turning
from sparse_peft.ui.clicks.actions import Action, Answer, perform
from sparse_peft.ui.clicks.mistakes import Mistakes
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.desk.draft import TASKS
from sparse_peft.ui.desk.turns import Turns
from sparse_peft.ui.panels.classes.boxes import board as boxes
from sparse_peft.ui.panels.header import board as header
from sparse_peft.ui.panels.heading import board as heading
from sparse_peft.ui.panels.history import board as history
from sparse_peft.ui.panels.matrix import board as matrix
from sparse_peft.ui.panels.methods import board as methods
from sparse_peft.ui.panels.numbers import board as numbers
from sparse_peft.ui.panels.pictures import board as pictures
from sparse_peft.ui.panels.strip import board as strip
from sparse_peft.ui.panels.switch import board as switch
from sparse_peft.ui.shell import owners
from sparse_peft.ui.watch import watching

TITLE = "Sparse PEFT Studio"
HERE = Path(__file__).parent / "panels"
REPORT = Path(__file__).parents[1] / "report"
# Scripts of the report that the page uses too.
SHARED = ("finding", "holding", "matrix", "confusion", "legend", "tracing")

ACTIONS: Mapping[str, Action] = {
    **turning.ACTIONS, **gathering.ACTIONS, **sorting.ACTIONS, **choosing.ACTIONS,
    **doing.ACTIONS, **looking.ACTIONS,
}  # fmt: skip

Render = Callable[[Desk, Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True)
class Board:
    """A part of the page: what draws it and the scripts that serve it."""

    render: Render
    scripts: tuple[Path, ...]


def _board(render: Render, *names: str) -> Board:
    return Board(render, tuple(HERE / f"{name}.js" for name in names))


BOARDS = {
    "header": _board(header.render, "header/header"),
    "strip": _board(strip.render, "strip/strip"),
    "switch": _board(switch.render, "switch/switch"),
    "pictures": _board(pictures.render, *pictures.SCRIPTS),
    "classes": _board(boxes.render, *boxes.SCRIPTS),
    "methods": _board(methods.render, *methods.SCRIPTS),
    "heading": _board(heading.render, "heading/heading"),
    "matrix": _board(matrix.render, *matrix.SCRIPTS),
    "numbers": _board(numbers.render, "numbers/numbers"),
    "history": _board(history.render, "history/history", "history/clicks"),
}
COMPARE = ("heading", "matrix", "numbers")
_NOTHING = [gr.skip()] * (len(BOARDS) + 1)  # for the tabs and each board
SCRIPTS = (
    "studio/studio", "studio/asking", "studio/say", "studio/fields", "studio/connection",
    "studio/pulse",
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """What the shell mounts."""

    blocks: gr.Blocks
    theme: gr.themes.Base
    head: str


def build(studio: Studio) -> Page:
    """The page of a studio; nothing is read of any owner until a browser asks."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        boards = {name: _html(name) for name in ("header", "strip")}
        with gr.Tabs(selected="pictures", overflow_behavior="wrap", elem_id="steps") as tabs:
            for tab, label, names in (
                ("pictures", "1 Pictures", ("switch", "pictures", "classes")),
                ("methods", "2 Methods", ("methods",)),
                ("compare", "3 Compare", COMPARE),
            ):
                with gr.Tab(label, id=tab, render_children=True):
                    boards |= {name: _html(name) for name in names}
        boards["history"] = _html("history")
        boards = {name: boards[name] for name in BOARDS}
        outputs: list[Any] = [tabs, *boards.values(), _turn()]
        quietly: dict[str, Any] = {
            "outputs": outputs, "queue": False, "show_progress": "hidden",
            "api_visibility": "private",
        }  # fmt: skip
        mistakes = Mistakes()
        act = _acting(studio, mistakes)
        for board in boards.values():
            # By itself Gradio drops a click that comes before the last one was answered.
            board.act(act, trigger_mode="multiple", **quietly)
        blocks.load(_loading(studio, mistakes), **quietly)
        api.add(studio)
    return Page(blocks, theme(), head())


def _html(name: str) -> gr.HTML:
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in BOARDS[name].scripts)
    return gr.HTML(
        {"html": "", "data": None},
        html_template="${value.html}",
        js_on_load=f'studio.join(element, props, trigger, watch);  // raises "act"\n{scripts}',
        apply_default_css=False,
        elem_id=f"board-{name}",
        elem_classes="studio",
    )


def _turn() -> gr.HTML:
    """Nothing to see: it tells the page which of its questions has been answered and drawn."""
    return gr.HTML(
        {"turn": 0},
        html_template="",
        js_on_load='watch("value", () => studio.answered(props.value?.turn));',
        apply_default_css=False,
        elem_id="turn",
    )


def _acting(studio: Studio, mistakes: Mistakes) -> Callable[[gr.EventData, gr.Request], list[Any]]:
    """What every click leads to; the clicks of all pages of one person take turns."""
    turns = Turns()

    def act(event: gr.EventData, request: gr.Request) -> list[Any]:
        asked = event._data if isinstance(event._data, dict) else {}
        answered = {"turn": asked.get("turn")}
        desk = _desk(studio, request, asked.get("open"), asked.get("about"))
        if desk is None:
            return [*_NOTHING, answered]
        with turns.of(desk.owner):
            form = f"{desk.owner} {desk.task}"
            answer = mistakes.before(form, asked) or perform(ACTIONS, desk, asked)
            return [*_answered(desk, mistakes.beside(form, asked, answer)), answered]

    return act


def _loading(studio: Studio, mistakes: Mistakes) -> Callable[[gr.Request], list[Any]]:
    def load(request: gr.Request) -> list[Any]:
        asked = request.query_params
        desk = _desk(studio, request, asked.get("comparison"), None)
        if desk is None:
            return [*_NOTHING, gr.skip()]
        for task in TASKS:
            mistakes.forget(f"{desk.owner} {task}")
        tab = looking.first_tab(desk, asked.get("tab"))
        desk = looking.first_open(desk)
        return [
            *_answered(desk, Answer(show=tuple(BOARDS), tab=tab, open=desk.open)), gr.skip()
        ]  # fmt: skip

    return load


def _desk(studio: Studio, request: gr.Request, comparison: object, about: object) -> Desk | None:
    owner = owners.owner_in(request.cookies)
    opened = comparison if isinstance(comparison, str) and comparison else None
    task = next((task for task in TASKS if task == about), None)
    return Desk(studio, owner, opened, about=task) if owner else None


def _answered(desk: Desk, answer: Answer) -> list[Any]:
    """A value for the tabs and for each board that has changed."""
    desk = replace(desk, view=answer.view, about=answer.about or desk.task)
    if answer.open is not None:
        desk = replace(desk, open=answer.open or None)
    show = set(answer.show) | (set(COMPARE) if answer.open is not None else set())
    tabs: Any = gr.Tabs(selected=answer.tab) if answer.tab else gr.skip()
    # Told before anything is drawn: what moves meanwhile is drawn once more, not never.
    versions = watching.versions(desk) if show & set(watching.PANELS) else {}
    drawn = [
        _drawn(name, board, desk, answer) | {"version": versions.get(name)}
        if name in show
        else gr.skip()
        for name, board in BOARDS.items()
    ]
    return [tabs, *drawn]


def _drawn(name: str, board: Board, desk: Desk, answer: Answer) -> dict[str, Any]:
    value = board.render(desk, answer.errors)
    told = {
        "open": desk.open, "about": desk.task, "said": answer.said, "anew": answer.anew,
        "board": name,
    }  # fmt: skip
    return value | told


def theme() -> gr.themes.Base:
    """Gradio's own parts in the studio's paper, ink and type."""
    font = gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700))
    mono = gr.themes.LocalFont("IBM Plex Mono", weights=(400,))
    return gr.themes.Base(font=[font, "sans-serif"], font_mono=[mono, "monospace"]).set(
        body_background_fill="#F6F5F2", body_background_fill_dark="#17181A",
        body_text_color="#1C1B1A", body_text_color_dark="#F2F0EC",
        block_background_fill="transparent", block_background_fill_dark="transparent",
        block_border_width="0px", block_shadow="none", block_padding="0px",
        background_fill_primary="#F6F5F2", background_fill_primary_dark="#17181A",
    )  # fmt: skip


def head() -> str:
    """Type, colours and the script that every board uses, for the document's head."""
    faces = "".join(
        f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:swap;'
        f'src:url(/studio/fonts/{name}.woff2) format("woff2")}}'
        for family, weight, name in FACES
    )
    hues = (
        f":root{{{hue_variables(dark=False)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{hue_variables(dark=True)}}}}}"
    )
    sheets = [REPORT / "styles/look.css", REPORT / "styles/classes.css", HERE / "page.css"]
    sheets += [path for path in sorted(HERE.rglob("*.css")) if path.name != "page.css"]
    style = "\n".join([faces, hues, *(path.read_text(encoding="utf-8") for path in sheets)])
    scripts = [REPORT / f"scripts/{name}.js" for name in SHARED]
    scripts += [HERE / f"{name}.js" for name in SCRIPTS]
    script = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    return f"<style>{style}</style><script>{script}</script>"
