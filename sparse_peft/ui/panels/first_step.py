"""What the first step of both tasks shares: its doors' words, its drawing, what was used before."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft, Task

FORMATS = "JPEG PNG WebP HEIC"
ACCEPT = ".jpg,.jpeg,.png,.webp,.heic,.heif,.gif,.bmp,image/*"
STAY = {
    "computer": "They stay on this computer.",
    "server": "They stay on this server; only you see them, until you delete them.",
    "space": "They stay on this server; only you see them, until it restarts.",
}
NO_CAMERA = 'Camera needs https or localhost. On a phone, "Choose" offers the camera.'

_drawn = itertools.count()  # a browser hears of an answer only if it differs from the one before


def step(
    desk: Desk,
    task: Task,
    html: Callable[[Draft], str],
    data: Callable[[Draft], Mapping[str, object]],
) -> dict[str, Any]:
    """The first step of a task as its draft stands; nothing while the other one is on the desk."""
    drawn = {"drawn": next(_drawn)}
    if desk.task != task:
        return {"html": "", "data": drawn}
    draft = desk.draft
    common = {"most_bytes": MOST_BYTES, "backbone": draft.backbone}
    return {"html": html(draft), "data": {**drawn, **common, **data(draft)}}


def used_before(kind: str, does: str, sets: Iterable[tuple[str, str, str, str]]) -> str:
    """Buttons for the data sets that were used before.

    Args:
        kind: how the step's classes of CSS begin.
        does: the attribute that names what a button does.
        sets: of each its id, its name and its size in words, and its first pictures as HTML.
    """
    buttons = "".join(
        f'<li><button type="button" class="{kind}-kept" {does}="reuse" data-name="{escape(one)}">'
        f"{thumbs}<span><b>{escape(name)}</b> {size}</span></button></li>"
        for one, name, size, thumbs in sets
    )
    inside = f"<h3>Used before</h3><ul>{buttons}</ul>" if buttons else ""
    return f'<div class="{kind}-before">{inside}</div>'
