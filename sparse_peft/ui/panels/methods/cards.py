"""A card for each method: its picture, its size at the budget, what it costs."""

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from sparse_peft.methods import all_methods
from sparse_peft.report import words
from sparse_peft.report.marks import identities, mark_svg
from sparse_peft.ui.estimates import outlook as estimates
from sparse_peft.ui.estimates.chosen import Chosen, blocked, ordered, takes_part
from sparse_peft.ui.estimates.dial import Dial, Size
from sparse_peft.ui.estimates.outlook import NOT_KNOWN, Estimate, Outlook
from sparse_peft.ui.estimates.probing import Probing
from sparse_peft.ui.panels.methods.rest import folded

MAPS = Path(__file__).parent / "maps"
NO_MAP = (
    '<svg viewBox="0 0 12 12"><rect x=".5" y=".5" width="11" height="11" fill="none" '
    'stroke="currentColor"/></svg>'
)
FIRST = ("lora", "waveft", "so", "snell")  # what this studio is about, and what all know
NEARLY_ALL = 0.95  # of the budget: above it there is nothing to say about the rest
OUTSIDE = "Outside the budget: it shows the other end of the scale."
PARTS = ("knob", "active", "stored", "support", "file", "note", "sentence", "share")
GLOSSES = (
    ("active", "numbers being trained at once; the budget sets this one."),
    ("stored", "numbers in the file you keep, positions included."),
    ("support", "weights of the backbone that end up different."),
)
WHY = "Why three? Each method is thrifty in another one. ~ = estimated, replaced when finished."


def cards(
    chosen: Chosen, outlook: Outlook, probing: Probing | None, errors: Mapping[str, str]
) -> str:
    """A card for each registered method: a few in view, the others by family behind a line."""

    def grid(names: Sequence[str]) -> str:
        drawn = "".join(_card(chosen, outlook, probing, name) for name in names)
        return f'<div class="methods-cards">{drawn}</div>'

    error = errors.get("methods", "")
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    first = [name for name in ordered() if name in FIRST]
    rest = [name for name in ordered() if name not in FIRST]
    more = folded(chosen, rest, grid) if rest else ""
    return f'<h2 class="unseen">Methods</h2>{said}{grid(first)}{more}'


def rows(chosen: Chosen) -> dict[str, Any]:
    """For each method that can be trained: its first stop, and its texts at each stop."""
    found: dict[str, Any] = {}
    dial = chosen.dial
    for name in dial.methods:
        if blocked(chosen, name) is None:
            low = sum(not dial.goes(name, stop) for stop in range(len(dial.stops)))
            texts = [texts_at(dial, name, stop) for stop in range(len(dial.stops))]
            found[name] = {"low": low, "rows": [[text[part] for part in PARTS] for text in texts]}
    return found


def texts_at(dial: Dial, name: str, stop: int) -> dict[str, str]:
    """Everything on a card that the budget changes, by the place where it stands."""
    size, budget = dial.methods[name].sizes[stop], dial.stops[stop]
    tilde = "~" if size.estimated else ""
    support = "all" if size.support is None else tilde + _brief(size.support, size.estimated)
    return {
        "knob": size.knob,
        "active": words.count(size.active),
        "stored": tilde + _brief(size.stored, size.estimated),
        "support": support,
        "file": f"{'about ' if size.estimated else ''}{words.size(size.bytes)}",
        "note": _note(dial, name, stop, size, budget),
        "sentence": _sentence(size, dial.tunable),
        "share": _share(size, dial.tunable),
    }


def _card(chosen: Chosen, outlook: Outlook, probing: Probing | None, name: str) -> str:
    kind, stopped = all_methods()[name], blocked(chosen, name)
    inside = (
        _reason(stopped)
        if stopped is not None
        else _sizes(chosen, name)
        + _costs(outlook.methods[name], probing, chosen, name)
        + _words(chosen, name)
    )
    ticked = name in chosen.draft.methods
    off = stopped is not None or not (
        chosen.dial.goes(name, chosen.stop) or name in chosen.draft.over
    )
    over = takes_part(chosen, name) and not chosen.dial.goes(name, chosen.stop)
    state = "off" if off else "over" if over else "on"
    mark = mark_svg(identities([(name, kind.family)])[name], 14)
    checked = " checked" if ticked and not off else ""
    return f"""<article class="card methods-card" data-method="{name}" data-state="{state}" \
data-over="{"yes" if name in chosen.draft.over else "no"}" \
data-ticked="{"yes" if ticked else "no"}" aria-labelledby="methods-{name}-label">
<div class="methods-head"><span class="methods-map" aria-hidden="true">{_map(name)}</span>
<label class="methods-tick" for="methods-{name}-tick"><span class="methods-name">{mark}\
<b id="methods-{name}-label">{escape(kind.label)}</b>\
<b class="flag methods-over">over budget</b></span>\
<span class="methods-knob mono" data-of="knob">{_knob(chosen, name)}</span>
<input type="checkbox" id="methods-{name}-tick"{checked}{" disabled" if off else ""} \
aria-label="Compare {escape(kind.label)}"></label></div>
<p class="methods-title">{escape(kind.title)}</p>
<p class="methods-sentence">{escape(kind.sentence)}</p>
{inside}</article>"""


def _knob(chosen: Chosen, name: str) -> str:
    sizes = chosen.dial.methods[name].sizes
    return escape(sizes[chosen.stop].knob) if sizes else ""


def _reason(stopped: str) -> str:
    return f'<p class="methods-note">{escape(stopped)}</p>'


def _sizes(chosen: Chosen, name: str) -> str:
    text = {key: escape(value) for key, value in texts_at(chosen.dial, name, chosen.stop).items()}
    numbers = "".join(
        f'<div><dd class="mono" data-of="{each}">{text[each]}</dd><dt>{each}</dt></div>'
        for each, _ in GLOSSES
    )
    label = escape(all_methods()[name].label)
    return f"""<dl class="methods-numbers">{numbers}</dl>
<p class="methods-note" data-of="note">{text["note"]}</p>
<p class="methods-add"><button type="button" class="button" data-do="over" \
aria-label="Add {label} at its smallest">Add it at its smallest</button></p>
<p class="methods-file"><span class="methods-what">File</span> \
<span data-of="file">{text["file"]}</span></p>"""


def _words(chosen: Chosen, name: str) -> str:
    """The three numbers in words."""
    text = texts_at(chosen.dial, name, chosen.stop)
    glosses = "".join(f"<p><b>{each}</b>: {gloss}</p>" for each, gloss in GLOSSES)
    source = escape(all_methods()[name].source)
    return f"""<details class="methods-info" data-keep="{name}">\
<summary>In words, and source</summary>
<p data-of="sentence">{escape(text["sentence"])}</p><p data-of="share">{escape(text["share"])}</p>
{glosses}<p>{WHY}</p><p class="methods-source"><b>Source</b>: {source}</p></details>"""


def _costs(estimate: Estimate, probing: Probing | None, chosen: Chosen, name: str) -> str:
    """Time and memory; what is not known can be measured for the methods that are ticked."""
    if estimate.seconds is None:
        time = NOT_KNOWN if not estimate.too_large else "not known"
    else:
        time = f"{estimates.about(estimate.seconds)} <small>({estimate.origin})</small>"
    ask = ""
    asked = name in chosen.draft.methods and chosen.draft.task != "fewshot"
    if estimate.seconds is None and not estimate.too_large and asked:
        ask = _measure(probing, chosen.source.id)
    what = '<span class="methods-what">{}</span>'.format
    lines = f'<p class="methods-time">{what("Time")} <span>{time}</span></p>{ask}'
    if estimate.memory:
        bold = " methods-short" if estimate.too_large else ""
        lines += (
            f'<p class="methods-memory{bold}">{what("Memory")} '
            f"<span>{escape(estimate.memory)}</span></p>"
        )
    return lines


def _measure(probing: Probing | None, backbone: str) -> str:
    """The way to learn what this machine needs, or how far that has come."""
    if probing is not None and probing.busy:
        return f'<p class="methods-measuring">{escape(probing.stage)} ...</p>'
    return (
        '<p class="methods-measure"><button type="button" class="button quiet" '
        f'data-do="measure">Measure{" (10 s)" if backbone == "builtin" else ""}</button></p>'
    )


@cache
def _map(name: str) -> str:
    """The method's picture; an empty square until somebody has drawn it."""
    path = MAPS / f"{name}.svg"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else NO_MAP


def _note(dial: Dial, name: str, stop: int, size: Size, budget: int) -> str:
    """What there is to say of a size that is not the budget."""
    smallest = dial.methods[name].smallest
    if smallest is None:
        return OUTSIDE
    if not dial.goes(name, stop):
        return (
            f"Cannot go this low. Its smallest is {words.count(smallest)} "
            f"({_times(smallest / budget)} this budget)."
        )
    if size.active < NEARLY_ALL * budget:
        return (
            f"{size.knob} uses {words.count(size.active)} of {words.count(budget)} "
            f"({round(100 * size.active / budget)} %)."
        )
    return ""


def _times(ratio: float) -> str:
    rounded = float(f"{ratio:.2g}")
    return "twice" if rounded == 2 else f"{rounded:g} times"


def _sentence(size: Size, tunable: int) -> str:
    tilde = "about " if size.estimated else ""
    some = "all" if size.support is None else tilde + _short(size.support, size.estimated) + " of"
    changed = f"changes {some} {words.about(tunable)} weights"
    return (
        f"Trains {words.count(size.active)} numbers at a time, keeps "
        f"{tilde}{_short(size.stored, size.estimated)} in its file, and {changed}."
    )


def _share(size: Size, tunable: int) -> str:
    """Parts of the weights that may be tuned, which are not all weights of the model."""
    support = tunable if size.support is None else size.support
    return (
        f"For each 100 weights that may be tuned: {_percent(size.active / tunable)} numbers "
        f"trained at a time, {_percent(support / tunable)} weights changed."
    )


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.2g}'):g}"


def _brief(number: int, estimated: bool) -> str:
    """As short as a column needs it: 1.3 M."""
    return _short(number, estimated).replace(" million", " M")


def _short(number: int, estimated: bool) -> str:
    """Exact where it is exact; an estimate in three digits."""
    if not estimated:
        return words.count(number)
    digits = max(0, len(str(number)) - 3)
    return words.about(round(number, -digits))
