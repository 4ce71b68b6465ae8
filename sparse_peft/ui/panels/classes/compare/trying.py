"""Try a picture: a door for it, and what every row took the pictures before for."""

from collections.abc import Sequence
from html import escape
from typing import Any

from sparse_peft.data.opening.clean import ALLOWED
from sparse_peft.data.opening.folder import in_words
from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.report.classes.lines import Line
from sparse_peft.report.classes.words import REFERENCES
from sparse_peft.report.marks import hue, mark_svg
from sparse_peft.ui.classes.compare.trying import MOST_AT_ONCE, Guess, Tried, tried
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.first_step import ACCEPT, NO_CAMERA, STAY
from sparse_peft.ui.panels.opened import Opened

SHOWN = 4  # of the pictures tried, newest first; the others fold away
STATES = {
    "queued": "Waiting ...",
    "running": "Looking at it ...",
    "interrupted": "Interrupted: its process ended.",
    "cancelled": "Stopped.",
    "finished": "What was said of it cannot be read any more. Try it again.",
}


def trying(desk: Desk, found: Opened, rows: list[Line]) -> str:
    """The card; nothing for a comparison that cannot classify here."""
    if not found.alone:
        return ""
    ready = any(row.metric("accuracy") for row in rows)
    stay = STAY[desk.studio.place].replace("They", "Pictures", 1)
    off = "" if ready else " disabled"
    first = REFERENCES[found.comparison["reference"]]
    later = "" if ready else f'<p class="small">As soon as {first} is measured.</p>'
    return f"""<section class="card classes-try" aria-labelledby="classes-try">
<h2 id="classes-try">Try a picture</h2>
<div class="pictures-drop"><p>What does each method take it for? It need not be one of yours.</p>
<p class="pictures-doors">
<button type="button" class="button main" data-try="choose"{off}>Choose a picture</button>
<button type="button" class="button pictures-camera" data-try="camera"{off}>Camera</button>
<span class="muted classes-wide">or paste, or drop it here</span>
<span class="classes-progress" role="status" hidden></span></p>
<input type="file" class="unseen" id="classes-files" accept="{ACCEPT}" multiple tabindex="-1"
aria-label="Choose a picture to try"{off}>
<p class="small">{ALLOWED}, up to {in_words(MOST_BYTES)}. {stay}</p>
<p class="small pictures-no-camera">{NO_CAMERA}</p>{later}
<p class="error classes-refused" role="alert" hidden></p></div>
{_drawn(found)}{_list(desk, found, rows)}</section>"""


def _drawn(found: Opened) -> str:
    """Whose answer it is, where each method was trained on several draws."""
    seeds = found.comparison["seeds"]
    if len(seeds) < 2:
        return ""
    return f'<p class="small">The answers are those of the first draw of {len(seeds)}.</p>'


def data(found: Opened) -> dict[str, Any]:
    """What the script needs."""
    return {"comparison": found.id, "most_bytes": MOST_BYTES, "most_at_once": MOST_AT_ONCE}


def _list(desk: Desk, found: Opened, rows: list[Line]) -> str:
    items = [_item(one, rows) for one in tried(desk, found.runs)]
    if not items:
        return ""
    shown = f'<ul class="classes-tried">{"".join(items[:SHOWN])}</ul>'
    if len(items) <= SHOWN:
        return shown
    older = f'<ul class="classes-tried">{"".join(items[SHOWN:])}</ul>'
    count = len(items) - SHOWN
    return f"{shown}<details><summary>{count} tried before</summary>{older}</details>"


def _item(one: Tried, rows: list[Line]) -> str:
    image = f'<img src="{escape(one.address)}?side=256" alt="A picture you tried" loading="lazy">'
    if not one.said:
        failed = one.run.state == "failed"
        text = f"Stopped: {one.run.error}" if failed else STATES[one.run.state]
        return f'<li>{image}<p class="muted">{escape(text)}</p></li>'
    asked = [(row, one.said[name]) for row, name in _asked(one, rows)]
    columns = "".join(_column(row, guesses) for row, guesses in asked)
    return (
        f'<li>{image}<div><p class="classes-agreed">{escape(agreed(asked))}</p>'
        f'<div class="classes-guesses">{columns}</div></div></li>'
    )


def _asked(one: Tried, rows: list[Line]) -> list[tuple[Line, str]]:
    """The rows that were asked, each with the name of its classifier."""
    names = {name.rpartition("-s")[0] or name: name for name in one.said}
    return [(row, names[row.row["id"]]) for row in rows if row.row["id"] in names]


def agreed(asked: Sequence[tuple[Line, Sequence[Guess]]]) -> str:
    """Who says what, in a sentence: All say owl. Or: Zero-shot says cat; LoRA and SO say owl."""
    by_class: dict[str, list[str]] = {}
    for row, guesses in asked:
        by_class.setdefault(guesses[0][0], []).append(row.label)
    if len(by_class) == 1 and len(asked) > 1:
        return f"All say {next(iter(by_class))}."
    parts = [
        f"{_listed(labels)} {'says' if len(labels) == 1 else 'say'} {name}"
        for name, labels in by_class.items()
    ]
    return f"{'; '.join(parts)}."


def _listed(labels: Sequence[str]) -> str:
    *first, last = labels
    return f"{', '.join(first)} and {last}" if first else last


def _column(row: Line, guesses: Sequence[Guess]) -> str:
    lines = "".join(
        f'<li style="--share:{share:.4f}"><span>{escape(name)}</span>'
        f'<span class="mono">{percent(share)}</span></li>'
        for name, share in guesses
    )
    return (
        f'<div style="--hue:{hue(row.look)}"><h3>{mark_svg(row.look)} {escape(row.label)}</h3>'
        f"<ol>{lines}</ol></div>"
    )


def percent(share: float) -> str:
    """78 %; of a share that is neither none nor all never 0 or 100."""
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "< 1 %"
    if whole == 100 and share < 1:
        return "> 99 %"
    return f"{whole} %"
