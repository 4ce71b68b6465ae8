"""The run strip: on every tab, a line for each comparison in which something runs or waits."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.marks import identities, mark_svg
from sparse_peft.ui.comparisons import naming
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.watch.watching import Live, Part, Standing, pulse, strip_of, watcher

MANY = 6  # parts of a line on a desk; of more only what is at work is named
FEW = 3  # the same on a phone
WITH_MINUTES, COARSE, FINE = 120, 10, 5  # seconds: an estimate is not said to the second
FIRST_LOAD = ' <span class="strip-aside">(first time about 10 s)</span>'
LATER = {
    "generate": "Drawing your prompt", "classify": "Trying your picture",
    "merge": "Making the checkpoint",
}  # fmt: skip
STAGES = {"Loading the backbone": "loading", "Drawing the test pictures": "drawing"}
STOPS = (("Stop and keep what it learned", True), ("Stop and discard", False))
FIELDS = ("run", "look")  # of its own errors
ENDS = {"finished": "done", "failed": "failed", "cancelled": "stopped"}


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The lines, and what the page has seen with them."""
    now = pulse(desk, {})
    standing = strip_of(desk)
    said = "".join(
        f'<p class="error" role="alert">{escape(errors[field])}</p>'
        for field in FIELDS
        if field in errors
    )
    lines = "".join(_line(desk, one, named=len(standing) > 1) for one in standing)
    html = f'<section class="strip-lines" aria-label="Runs">{said}{lines}</section>'
    seen = {"versions": now["versions"], "busy": now["busy"]}
    return {"html": html if said or lines else "", "data": seen}


def _line(desk: Desk, one: Standing, *, named: bool) -> str:
    plan = watcher(desk.home).plan(one.comparison)
    title = ""
    if named:
        name = naming.read(desk.home, one.comparison) or naming.default(plan)
        title = button(name, {"do": "open", "comparison": one.comparison}, " quiet strip-name")
    return (
        f'<div class="strip-line strip-{one.state}" data-comparison="{escape(one.comparison)}">'
        f'{title}{_parts(one)}<p class="strip-said">{_said(one, plan.backbone)}</p>'
        f"{_buttons(one)}</div>"
    )


def _parts(one: Standing) -> str:
    """Every run in words; and the same in brief, where there is no room."""
    queue = [part for part in one.parts if part.live.state == "queued"]
    items = [_item(one.parts, part, _word(part, queue)) for part in one.parts]
    brief = [_item(one.parts, part, _word(part, queue)) for part in one.parts if _named(part)]
    done = sum(part.live.state in ENDS for part in one.parts)
    if done:
        brief.insert(0, f"<li>{done} done</li>")
    if queue:
        brief.append(f"<li>{len(queue)} next</li>")
    if len(items) > MANY:
        return f'<ul class="strip-parts">{"".join(brief)}</ul>'
    if len(items) <= FEW:
        return f'<ul class="strip-parts">{"".join(items)}</ul>'
    return (
        f'<ul class="strip-parts strip-full">{"".join(items)}</ul>'
        f'<ul class="strip-parts strip-brief">{"".join(brief)}</ul>'
    )


def _named(part: Part) -> bool:
    return part.live.state in ("running", "interrupted")


def _item(parts: Sequence[Part], part: Part, word: str) -> str:
    looks = identities((other.method, other.family) for other in parts)
    now = ' class="strip-now"' if part.live.state == "running" else ""
    mark = mark_svg(looks[part.method])
    return f"<li>{mark} <b>{escape(part.label)}</b> <span{now}>{word}</span></li>"


def _word(part: Part, queue: Sequence[Part]) -> str:
    live = part.live
    if live.state == "running":
        now = STAGES.get(live.stage, f"{part.percent} %") if live.stage else "starting"
        return "stopping" if live.stopping else now
    if live.state == "queued":
        return "next" if part is queue[0] else "waits"
    return ENDS.get(live.state, live.state)


def _said(one: Standing, backbone: str) -> str:
    """What the comparison as a whole is at."""
    if one.state == "waiting":
        return _waiting(one)
    if one.state == "interrupted":
        return _interrupted(one)
    if one.prepare.state == "running":
        return _stage(one.prepare, backbone)
    if one.later and one.later.state == "running":
        return f"{LATER[one.later.kind]} {_elapsed(one.later)}"
    if one.seconds_left is None:
        return "Training"
    return (
        f"{words.duration(_rounded(one.seconds_left))} left" if one.seconds_left else "Nearly done"
    )


def _waiting(one: Standing) -> str:
    if not one.ahead:
        return "Waiting: it is next."
    price = f", about {words.duration(_rounded(one.ahead_seconds))}" if one.ahead_seconds else ""
    runs = f"{one.ahead} run{'' if one.ahead == 1 else 's'}"
    return f'Waiting: {runs} before<span class="strip-more"> this one</span>{price}.'


def _interrupted(one: Standing) -> str:
    live = _broken(one)
    aside = '<span class="strip-aside">: its process ended</span>'
    if live.kind != "train":
        return f"Interrupted{aside}."
    saved = f"Saved up to step {live.saved}." if live.saved else "Nothing was saved yet."
    return f'Interrupted at step {live.step}{aside}. <span class="strip-more">{saved}</span>'


def _broken(one: Standing) -> Live:
    """The interrupted run that the others wait for, or the first of them."""
    lives = [one.prepare, *(part.live for part in one.parts), *filter(None, [one.later])]
    return next(live for live in lives if live.state == "interrupted")


def _stage(prepare: Live, backbone: str) -> str:
    if prepare.stopping:
        return "Stopping"
    first = FIRST_LOAD if backbone == "builtin" and prepare.stage in STAGES else ""
    return f"{escape(prepare.stage or 'Starting')}{first} {_elapsed(prepare)}"


def _elapsed(live: Live) -> str:
    seconds = int(live.stage_seconds)
    return f'<span class="strip-elapsed" data-elapsed="{seconds}">{words.duration(seconds)}</span>'


def _rounded(seconds: float) -> int:
    """Upwards, to what an estimate is worth."""
    unit = COARSE if seconds >= WITH_MINUTES else FINE
    return max(unit, -int(-seconds // unit) * unit)


def _buttons(one: Standing) -> str:
    lives = [one.prepare, *(part.live for part in one.parts), *filter(None, [one.later])]
    which = {"comparison": one.comparison}
    found = ""
    if any(live.state == "interrupted" for live in lives):
        found += button("Resume", {"do": "resume"} | which)
    found += button("Open", {"do": "open"} | which, " quiet strip-open")
    if not any(live.stopping for live in lives):
        ways = "".join(button(text, {"do": "stop", "keep": keep} | which) for text, keep in STOPS)
        found += (
            '<button type="button" class="button quiet" data-strip="menu" aria-expanded="false">'
            f'Stop</button><div class="strip-menu" hidden>{ways}</div>'
        )
    return f'<div class="strip-buttons">{found}</div>'
