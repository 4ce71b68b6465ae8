"""The header: the studio's name, the ways to the example and to history, and the list of keys."""

from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.ui.comparisons import shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button

ARROWS = "←", "↑", "→", "↓"
Keys = tuple[str, ...]
KEYS: tuple[tuple[str, tuple[tuple[Keys, str], ...]], ...] = (
    (
        "Everywhere",
        (
            (("Tab",), "go on, in reading order"),
            (("Esc",), "close a drawer or a list"),
            (("?",), "this list"),
        ),
    ),
    (
        "Budget",
        (
            (("←", "→"), "a quarter of a doubling"),
            (("PageUp", "PageDown"), "a doubling"),
            (("Home", "End"), "smallest, largest"),
        ),
    ),
    (
        "A picture's square",
        (
            (ARROWS, "move it 1 px, with Shift 10"),
            (("+", "-"), "larger, smaller"),
            (("Delete",), "remove the picture"),
        ),
    ),
    (
        "Pictures of a class",
        (
            (("←", "→"), "go from picture to picture"),
            (("Delete",), "remove the picture"),
        ),
    ),
    (
        "Pictures side by side",
        (
            (ARROWS, "go to a cell"),
            (("Home", "End"), "the base, the last method"),
            ((",", "."), "a step back, on; with Shift the first, the last"),
            (("B",), "hold it: every cell shows the base"),
            (("P",), "put the cell into two pictures"),
            (("1", "9"), "focus on a method; 0: on all"),
            (("Enter",), "the cell, large"),
        ),
    ),
    ("Two pictures", ((("←", "→"), "move the divider"), (("Home", "End"), "to its ends"))),
)


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The header; it is the same for everybody and at all times."""
    del desk, errors
    ask = {"do": "open", "comparison": shipped.FITTING}
    example = button("See an example", ask, " quiet")
    html = f"""<a class="skip" href="#steps">Skip to the steps</a><header class="header">
<h1 class="header-title">Sparse PEFT Studio</h1>
<button type="button" class="button header-menu" data-header="menu" aria-expanded="false"
aria-controls="header-ways">Menu</button>
<nav class="header-ways" id="header-ways" aria-label="Studio">{example}
{_opener("history", "History")}{_opener("keys", "Keys <kbd>?</kbd>")}</nav></header>{_keys()}"""
    return {"html": html, "data": None}


def _opener(name: str, words: str) -> str:
    return (
        f'<button type="button" class="button quiet" data-header="{name}" aria-haspopup="dialog">'
        f"{words}</button>"
    )


def _keys() -> str:
    bodies = "".join(_body(where, rows) for where, rows in KEYS)
    return f"""<dialog class="header-keys" aria-labelledby="header-keys-title">
<div class="header-bar"><h2 id="header-keys-title">Keys</h2>
<button type="button" class="button" data-header="close">Close</button></div>
<table><thead class="unseen"><tr><th scope="col">Keys</th><th scope="col">What they do</th></tr>
</thead>{bodies}</table><p class="small">By touch: press and hold a picture to see its base; swipe
for the next prompt.</p></dialog>"""


def _body(where: str, rows: tuple[tuple[Keys, str], ...]) -> str:
    lines = "".join(
        f"<tr><td>{_pressed(keys)}</td><td>{escape(does)}</td></tr>" for keys, does in rows
    )
    return f'<tbody><tr><th colspan="2" scope="rowgroup">{escape(where)}</th></tr>{lines}</tbody>'


def _pressed(keys: Keys) -> str:
    if keys == ("1", "9"):
        return "<kbd>1</kbd> to <kbd>9</kbd>"
    return " ".join(f"<kbd>{escape(key)}</kbd>" for key in keys)
