"""History: every comparison of a person, newest first, and the examples at the end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.ui.clicks.deleting import sentence, weighed_all
from sparse_peft.ui.clicks.looking import PAGE_ROWS
from sparse_peft.ui.comparisons import shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.panels.history.row import html_of, row_of
from sparse_peft.ui.panels.history.shipped import examples
from sparse_peft.ui.watch.watching import watcher

EVERYTHING = "everything"  # in place of an id: no id has so few letters


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """All rows as far back as asked for."""
    mine = watcher(desk.home).owned(desk.owner).comparisons[::-1]
    count = int(desk.view.get("rows", PAGE_ROWS))
    rows = [row_of(desk, comparison) for comparison in mine[:count]]
    subjects = Counter(row.subject for row in rows)
    shown = "".join(
        html_of(
            desk, row,
            ticks=subjects[row.subject] > 1,
            rename=desk.view.get("rename") == row.id,
            delete=desk.view.get("delete") == row.id,
        )
        for row in rows
    )  # fmt: skip
    shown += "".join(
        html_of(desk, row, ticks=False, rename=False, delete=False) for row in examples()
    )
    said = "".join(f'<p class="error" role="alert">{escape(text)}</p>' for text in errors.values())
    older = len(mine) - len(rows)
    html = f"""<div class="header-bar"><h2 id="history-title">History</h2>
<button type="button" class="button" data-history="close">Close</button></div>
{said}{"" if rows else _empty()}<ul class="history-rows">{shown}</ul>{_older(older, count)}
<div class="history-two" hidden><p></p><button type="button" class="button main"
data-history="join">Compare these two</button></div>{_forget(desk, mine)}"""
    return {"html": html, "data": {"rows": count, "older": older, "errors": bool(errors)}}


def _empty() -> str:
    ask = {"do": "open", "comparison": shipped.FITTING}
    example = button("See an example", ask, " quiet")
    return f'<p class="history-empty">Your comparisons will appear here. {example}</p>'


def _older(count: int, shown: int) -> str:
    if count <= 0:
        return ""
    more = min(count, PAGE_ROWS)
    asked = {"do": "history", "rows": shown + PAGE_ROWS}
    return f'<p class="history-older">{button(f"Older ({more} more)", asked)}</p>'


def _forget(desk: Desk, mine: Sequence[str]) -> str:
    if not mine and not desk.folder.exists():
        return ""
    if desk.view.get("delete") != EVERYTHING:
        ask = {"do": "history", "delete": EVERYTHING}
        return f'<p class="history-all">{button("Delete everything of mine", ask, " quiet")}</p>'
    return (
        '<div class="history-sure history-all" role="group" aria-labelledby="history-sure">'
        f'<p id="history-sure">{escape(sentence(weighed_all(desk)))}</p>'
        f"{button('Delete everything', {'do': 'forget_all'}, ' main')}"
        f"{button('Keep it', {'do': 'history'})}</div>"
    )
