"""The head of the Compare tab: name, verdicts, what its runs are at, and what can be done."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.errors import UserError
from sparse_peft.report import words
from sparse_peft.report.columns import many
from sparse_peft.report.marks import identities, mark_svg
from sparse_peft.report.subject import sections, verdicts
from sparse_peft.report.subject.tables import PICTURE_METRICS
from sparse_peft.ui.clicks.actions import on_page
from sparse_peft.ui.comparisons import shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.panels.classes.compare import heading as compare_heading
from sparse_peft.ui.panels.classes.compare import states as compare_states
from sparse_peft.ui.panels.heading import states
from sparse_peft.ui.panels.heading.said import groups, sentences
from sparse_peft.ui.panels.heading.states import Line
from sparse_peft.ui.panels.opened import Opened, opened

LINK = "This link works in this browser only. To show others, send the report."
SOON = (
    "The pictures fill in below as they are drawn. What they say pair by pair stands here as soon "
    "as a method has finished."
)
QUESTION = "What {of} pairs of pictures say"
TRAIN_AGAIN = "Train each 3 times"
ASKED = ("run", "comparison", "open")  # fields of its own errors
GHOSTS = (("base", "base"), ("lora", "lora"), ("waveft", "waveft"), ("so", "so"))


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The head of what is open, or an invitation."""
    try:
        found = opened(desk)
    except UserError as error:
        return {"html": _empty(on_page(error)), "data": None}
    if found is None:
        return {"html": _empty(errors.get("open")), "data": None}
    if found.subject:
        body = f"{_verdicts(found)}{_subject(found)}"
    else:
        body = compare_heading.body(desk, found)
    html = f"""<section class="card heading" aria-labelledby="heading-title">
{_top(found, errors)}{_states(found)}
<div class="heading-body">{body}</div></section>"""
    return {"html": html, "data": {"comparison": found.id}}


def _empty(error: str | None = None) -> str:
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    looks = identities(GHOSTS)
    ghosts = "".join(f"<span>{mark_svg(looks[name])}</span>" for name, _ in GHOSTS)
    ask = escape(json.dumps({"do": "open", "comparison": shipped.FITTING}))
    cells = "<i></i>" * (2 * len(GHOSTS))
    return f"""<section class="card heading-empty">{said}<div><h1>Nothing to compare yet.</h1>
<p><button type="button" class="heading-link" data-view="methods">Choose methods</button> and press
Start, or <button type="button" class="heading-link"
data-ask="{ask}">see an example</button>.</p>
</div><div class="heading-ghost" aria-hidden="true">{ghosts}{cells}</div></section>"""


def _top(found: Opened, errors: Mapping[str, str]) -> str:
    name = found.name
    mine = found.alone
    chip = '<span class="chip">Example</span>' if found.read_only else ""
    buttons = '<button type="button" class="button" data-view="share">Share</button>'
    if mine:
        again = {"do": "again", "comparison": found.id}
        rename = '<button type="button" class="button" data-view="rename">Rename</button>'
        buttons = f"{rename}{button('Run again with changes', again)}{buttons}"
    error = next((errors[field] for field in ASKED if field in errors), None)
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return f"""<div class="heading-top"><div class="heading-name">
<h1 id="heading-title">{escape(name)}</h1>{chip}</div><div class="heading-buttons">{buttons}</div>
</div>{_rename(name, errors) if mine else ""}
<div class="heading-share" hidden><p>{LINK}</p><p><code class="heading-address"></code>
<button type="button" class="button" data-view="copy" hidden>Copy</button></p></div>{said}
<p class="muted heading-subtitle">{escape(found.subtitle)}</p>"""


def _rename(name: str, errors: Mapping[str, str]) -> str:
    error = errors.get("name")
    wrong = ' aria-invalid="true" aria-describedby="heading-name-error"' if error else ""
    said = (
        f'<p class="error" id="heading-name-error" role="alert">{escape(error)}</p>'
        if error
        else ""
    )
    return f"""<form class="heading-rename"{"" if error else " hidden"}>
<label class="label" for="heading-name">Name</label>
<input class="field" id="heading-name" name="name" maxlength="80" autocomplete="off"
value="{escape(name)}"{wrong}><button class="button main">Save</button>
<button type="button" class="button" data-view="rename">Cancel</button>{said}</form>"""


def _states(found: Opened) -> str:
    lines = states.lines(found) if found.subject else compare_states.lines(found)
    if not lines:
        return ""
    return f'<ul class="heading-states">{"".join(map(_line, lines))}</ul>'


def _line(line: Line) -> str:
    text = escape(line.text)
    for word in ("Stopped:", "Check:"):
        text = text.replace(word, f"<b>{word}</b>", 1) if text.startswith(word) else text
    since = ""
    if line.elapsed is not None:
        since = f' <span class="mono" data-elapsed="{line.elapsed:.0f}">{line.elapsed:.0f} s</span>'
    buttons = "".join(button(*each) for each in line.buttons)
    stops = _stops(line) if line.stops else ""
    name = f"{mark_svg(line.look)} <b>{escape(line.label)}</b>"
    return (
        f'<li class="heading-{line.kind}"><span>{name}</span><span>{text}{since}</span>'
        f"{buttons}{stops}</li>"
    )


def _stops(line: Line) -> str:
    """Two clicks from a loss: the first shows what there is to choose."""
    choices = "".join(button(*each) for each in line.stops)
    run = escape(str(line.stops[0][1]["run"]))
    return (
        f'<span class="heading-stop"><button type="button" class="button" data-view="stop"'
        f' data-run="{run}" aria-expanded="false">Stop</button><span hidden>{choices}</span></span>'
    )


def _verdicts(found: Opened) -> str:
    comparison = found.comparison
    of = max((pair["of"] for pair in comparison["pairs"]), default=0)
    names = words.labels(comparison)
    if many(comparison):
        return _gathered(found, names, of)
    against = {name: lines for name in names if (lines := _said(comparison, name))}
    if not against:
        return _nothing_yet(found)
    question = QUESTION.format(of=of)
    return sentences(question, names, against, comparison["reference"], _caveats(found))


def _gathered(found: Opened, names: Mapping[str, str], of: int) -> str:
    """Of many methods: a few lines against each reference, and all pairs to open."""
    comparison = found.comparison
    against = {name: said for name in names if (said := verdicts.gathered_beside(comparison, name))}
    if not against:
        return _nothing_yet(found)
    below = f"{verdicts.pair_tables(comparison)}{_caveats(found)}"
    question = QUESTION.format(of=of)
    return groups(question, names, against, comparison["reference"], below)


def _nothing_yet(found: Opened) -> str:
    said = f'<p class="muted">{SOON}</p>' if found.at_work else _caveats(found)
    return f'<div class="heading-verdicts">{said}</div>'


def _said(comparison: Mapping[str, Any], reference: str) -> list[tuple[str, str]]:
    seen = {**comparison, "reference": reference}
    return [line for metric in PICTURE_METRICS for line in words.verdicts(seen, metric)]


def _caveats(found: Opened) -> str:
    lines = []
    for line in words.caveats(found.comparison):
        text, offer, price = line.removesuffix(".").partition(TRAIN_AGAIN)
        if offer and found.alone and not found.at_work:
            ask = {"do": "more_seeds", "comparison": found.id}
            lines.append(
                f"<p>{escape(text)}{button(f'{offer}{price}', ask, ' heading-inline')}</p>"
            )
        else:
            lines.append(f"<p>{escape(line)}</p>")
    return f'<div class="small">{"".join(lines)}</div>'


def _subject(found: Opened) -> str:
    comparison = found.comparison
    strip = sections.subject(comparison, found.source)
    return f'<div class="heading-subject">{strip}</div>' if strip else ""
