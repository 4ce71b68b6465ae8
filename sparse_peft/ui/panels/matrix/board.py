"""The pictures of the Compare tab: prompts by methods, at every step, filling as it trains."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.errors import UserError
from sparse_peft.metrics.pictures import Anchor, scaled
from sparse_peft.report import words
from sparse_peft.report.columns import BASE, MANY, Column, columns
from sparse_peft.report.groups import Side
from sparse_peft.report.legend import legend
from sparse_peft.report.pictures import Sources
from sparse_peft.report.subject import orders, sections
from sparse_peft.report.subject.matrix import controls, matrix_data
from sparse_peft.report.subject.steps import last_step
from sparse_peft.report.subject.tables import PICTURE_METRICS, anchor_of
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.classes.compare import board as compare_board
from sparse_peft.ui.panels.matrix.beside import beside
from sparse_peft.ui.panels.matrix.cells import grid, maps
from sparse_peft.ui.panels.matrix.closest import closest
from sparse_peft.ui.panels.matrix.own import Own, about, owns
from sparse_peft.ui.panels.opened import Opened, opened

SCRIPTS = (
    "matrix/roving", "matrix/focusing", "matrix/inview", "matrix/pair", "matrix/drawer",
    "matrix/paging", "matrix/address", "matrix/matrix", *compare_board.SCRIPTS,
)  # fmt: skip
FEW = 4  # columns that need neither an order nor folding
KEYS = (
    ("Arrows", "from cell to cell"),
    ("Home, End", "to the base, to the last method"),
    (", and .", "a step back, a step on; with Shift to the first, to the last"),
    ("B, held", "all cells show the base"),
    ("P", "puts the cell into “Two pictures”"),
    ("1 to 9", "brings a method into focus or lets it go; 0: all of them"),
    ("Enter", "the picture large, with what is known of it"),
    ("?", "this list"),
)


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The pictures of what is open, or what it says of classes; nothing where nothing is."""
    try:
        found = opened(desk)
    except UserError:  # the heading says why
        found = None
    if found is None:
        return {"html": "", "data": None}
    if not found.subject:
        return compare_board.render(desk, found)
    shown = columns(found.comparison)
    own = owns(desk, found) if found.alone else []
    large = _large() if len(shown) >= MANY else ""
    drawing = "" if not found.alone else _draw(desk, found, errors)
    html = f"""<section class="card matrix-card" aria-labelledby="matrix-title">
<h2 id="matrix-title" class="unseen">Side by side</h2>{_legend(shown)}{_tools(found, shown)}
{grid(found.comparison, shown, found.source, own)}{_pages()}{large}{drawing}
{maps(shown, found.source)}{_lines(found, shown)}</section>
{beside(found, shown)}"""
    return {"html": html, "data": data(desk, found, own) | {"errors": dict(errors)}}


def data(desk: Desk, found: Opened, own: Sequence[Own]) -> dict[str, Any]:
    """What the scripts read: every picture's address, and all that is known of it."""
    comparison, source = found.comparison, found.source
    shown = columns(comparison)
    value = matrix_data(comparison, Sources(source, source, source), whole=True)
    value["pictures"] |= {
        f"{run}/own/{row.id}/{row.seed}": address
        for row in own
        for run, address in row.pictures.items()
    }
    numbered = list(enumerate(comparison["prompts"]))
    return value | {
        "comparison": found.id,
        "noun": comparison["noun"],
        "reference": comparison["reference"],
        "labels": {column.method: column.label for column in shown},
        "orders": orders.orders(shown),
        "own": {row.id: row.seed for row in own},
        "notes": {row.id: row.note for row in own if row.note},
        "prompts": {str(i): prompt for i, prompt in numbered} | {row.id: row.prompt for row in own},
        "texts": {str(i): words.shown_prompt(comparison, prompt) for i, prompt in numbered}
        | {row.id: row.text for row in own},
        "scores": _scores(comparison),
        "closest": closest(desk, found),
        "mine": [source(path) for path in comparison["pictures"]],
        "keys": KEYS,
        "drawing": any(
            found.runs[run].state == "running" for run in found.prepares if run in found.runs
        ),
    }


def _legend(shown: Sequence[Column]) -> str:
    """The line of all methods, where they are many."""
    if len(shown) < MANY:
        return ""
    return legend([Side(one.method, one.label, one.look) for one in shown], BASE, orders.TITLES)


def _tools(found: Opened, shown: Sequence[Column]) -> str:
    order = ""
    if FEW < len(shown) < MANY:
        options = "".join(f'<option value="{key}">{title}</option>' for key, title in orders.TITLES)
        order = (
            '<label class="matrix-order">Order <select class="field" data-view="order">'
            f"{options}</select></label>"
        )
    newest = '<button type="button" class="button matrix-new" data-view="newest" hidden></button>'
    keys = '<button type="button" class="button quiet" data-view="keys">Keys</button>'
    return (
        f'<div class="matrix-tools">{controls(found.comparison, whole=True)}'
        f'<div class="matrix-more">{newest}{order}{keys}</div></div>'
    )


def _pages() -> str:
    return (
        '<div class="matrix-pages"><button type="button" class="button" data-page="-1"'
        ' aria-label="Prompt before">&lsaquo;</button><span>hold a picture: base</span>'
        '<output></output><button type="button" class="button" data-page="1"'
        ' aria-label="Next prompt">&rsaquo;</button></div>'
    )


def _lines(found: Opened, shown: Sequence[Column]) -> str:
    lines = sections.lines(found.comparison)
    if len(shown) <= FEW:
        return lines
    return (
        '<details class="matrix-lines"><summary>What each trains, keeps and changes</summary>'
        f"{lines}</details>"
    )


def _large() -> str:
    return '<div class="matrix-large"><p></p><div class="matrix-large-row"></div></div>'


def _draw(desk: Desk, found: Opened, errors: Mapping[str, str]) -> str:
    noun, error = escape(found.comparison["noun"]), errors.get("prompt")
    trained = any(run["adapter"] for run in found.comparison["runs"])
    seconds = about(desk, found)
    price = f", about {words.duration(round(seconds))}" if seconds else ""
    wrong = ' aria-invalid="true" aria-describedby="matrix-own-error"' if error else ""
    said = (
        f'<p class="error" id="matrix-own-error" role="alert">{escape(error)}</p>' if error else ""
    )
    later = "" if trained else '<p class="small">As soon as a method has finished.</p>'
    off = "" if trained else " disabled"
    return f"""<form class="matrix-own"><label for="matrix-own">+ a prompt of your own: your {noun}
</label><input class="field" id="matrix-own" name="prompt" maxlength="200" autocomplete="off"
placeholder="on the beach"{wrong}{off}><button class="button"{off}>Draw{price}</button>{said}
{later}</form>"""


def _scores(comparison: Mapping[str, Any]) -> dict[str, list[str]]:
    """Both fidelities of each picture in words, by run/step/prompt/seed."""
    anchors = [anchor_of(comparison, metric) for metric in PICTURE_METRICS]
    found = {}
    rows = [(BASE, 0, row) for row in comparison["base"]["samples"]]
    for run in comparison["runs"]:
        rows += [(run["id"], last_step(run), row) for row in run["samples"]]
        rows += [(run["id"], row["step"], row) for row in run["history"]]
    for run, step, row in rows:
        raw = [row[key] for key in PICTURE_METRICS.values()]
        if all(value is not None for value in raw):
            said = [_score(value, anchor) for value, anchor in zip(raw, anchors, strict=True)]
            found[f"{run}/{step}/{row['prompt']}/{row['seed']}"] = said
    return found


def _score(raw: float, anchor: Anchor) -> str:
    if not anchor.usable:
        return f"{raw:.3f} (cosine)"
    return f"{words.number(scaled(raw, anchor), 0)} (raw {raw:.3f})"
