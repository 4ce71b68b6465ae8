"""The second step: preset, budget dial, a card for each method, and Start."""

import itertools
from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft import presets
from sparse_peft.errors import UserError
from sparse_peft.presets import Preset
from sparse_peft.report import words
from sparse_peft.ui.classes import backbones as clips
from sparse_peft.ui.desk import offers
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.estimates import outlook as estimates
from sparse_peft.ui.estimates import probing
from sparse_peft.ui.estimates.chosen import PRESETS, Chosen, chosen
from sparse_peft.ui.estimates.dial import LAST_STOP, phrase
from sparse_peft.ui.estimates.outlook import Outlook
from sparse_peft.ui.estimates.probing import Probing
from sparse_peft.ui.panels.classes import methods as class_methods
from sparse_peft.ui.panels.methods import settings
from sparse_peft.ui.panels.methods.cards import PARTS, cards, rows

SCRIPTS = ("methods/methods", "methods/dial", "methods/fields")
MARKS = ((0, "1/64"), (8, "1/16"), (16, "1/4"), (24, "1"), (32, "4"), (40, "16"), (48, "64"))
ON_PHONES = ("1/64", "1/4", "1", "4", "64")
TIMES = (1, 2, 3, 5, 10)
INFO = (
    "How many numbers may be trained in all. Each method spends them in its own way: LoRA on its "
    "rank, WaveFT on coefficients, SO on how many weights move at once."
)
ELSEWHERE = (  # mended on the first step
    "pictures", "noun", "token", "backbone", "classes", "class_name", "box", "shots", "template",
    "clip",
)  # fmt: skip
MEASURING = (
    " Measuring trains each ticked method for a few steps, so that this page can say what a"
    " comparison takes."
)
NO_PICTURES = "Add pictures of your subject first."
NO_NOUN = "Say what your subject is first."
NO_METHOD = "Tick at least one method."
NONE_FITS = "No ticked method can go this low. Raise the budget, or add one at its smallest."

_drawn = itertools.count()  # a browser hears of an answer only if it differs from the one before


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The step as its draft stands."""
    stands = probing.standing(desk)
    try:
        found = chosen(desk)
    except UserError as error:
        html = f'<section class="card">{_error(escape(str(error)))}</section>'
        if desk.task == "fewshot":  # another preset may do
            html = class_methods.refused(desk.draft, str(error))
        return {"html": f'<div class="methods">{html}</div>', "data": {"drawn": next(_drawn)}}
    if found is None:
        html = _absent(desk, stands, errors)
        data: dict[str, Any] = {"measuring": stands is not None and stands.busy}
    else:
        html = _present(desk, found, stands, errors)
        data = _data(found, stands)
    return {"html": f'<div class="methods">{html}</div>', "data": data | {"drawn": next(_drawn)}}


def _data(found: Chosen, stands: Probing | None) -> dict[str, Any]:
    """Everything that changes while the thumb moves, so that nothing is asked meanwhile."""
    return {
        "stop": found.stop,
        "budgets": [words.count(budget) for budget in found.dial.stops],
        "phrases": [phrase(stop) for stop in range(LAST_STOP + 1)],
        "parts": list(PARTS),
        "methods": rows(found),
        "measuring": stands is not None and stands.busy,
    }


def _present(desk: Desk, found: Chosen, stands: Probing | None, errors: Mapping[str, str]) -> str:
    outlook = estimates.outlook(desk, found)
    few = desk.task == "fewshot"
    return (
        (class_methods.presets(found, errors) if few else _presets(found, errors))
        + _budget(found, errors)
        + _failed(stands)
        + _at(errors, "measure")
        + (class_methods.references(found) if few else "")
        + cards(found, outlook, stands, errors)
        + (class_methods.draws(found, errors) if few else _times(found, errors))
        + settings.form(found, errors)
        + _start(found, outlook, errors)
    )


def _presets(found: Chosen, errors: Mapping[str, str]) -> str:
    kept = {each.name: each for each in presets.all_presets()
            if (each.task, each.backbone) == ("dreambooth", found.source.family)}  # fmt: skip
    radios = "".join(
        f'<label><input type="radio" name="methods-preset" value="{name}"'
        f"{' checked' if name == found.draft.preset else ''}>"
        f"<span>{escape(kept[name].title)}</span></label>"
        for name in PRESETS["dreambooth"]
        if name in kept
    )
    assert isinstance(found.preset, Preset)
    pictures = len(found.prompts) * len(found.preset.shared.seeds)
    return f"""<div class="methods-presets">
<fieldset class="choice"><legend>Preset</legend>{radios}</fieldset>
<p class="muted">{words.count(found.steps)} steps, {pictures} test pictures each. \
Backbone: {escape(found.source.title)}.</p></div>
{_at(errors, "preset")}"""


def _budget(found: Chosen, errors: Mapping[str, str]) -> str:
    count, said = words.count(found.budget), phrase(found.stop)
    invalid = ' aria-invalid="true"' if "budget" in errors else ""
    marks = "".join(
        f'<li style="--at:{place / LAST_STOP:.6g}"'
        f"{'' if label in ON_PHONES else ' class=methods-wide'}>{label}</li>"
        for place, label in MARKS
    )
    return f"""<section class="card methods-dial" aria-labelledby="methods-budget">
<div class="methods-readout"><h2 id="methods-budget">Budget</h2>
<p class="methods-count"><span class="mono" data-dial="count">{count}</span> trainable values</p>
<p class="methods-phrase" data-dial="phrase">{said}</p></div>
<div class="methods-track"><input type="range" id="methods-stop" min="0" max="{LAST_STOP}" \
step="1" value="{found.stop}" aria-labelledby="methods-budget" \
aria-valuetext="{count} trainable values, {said}"{invalid}>
<ol class="methods-marks mono" aria-hidden="true">{marks}</ol>
<p class="methods-zones" aria-hidden="true"><span>smaller than any LoRA</span>\
<span>LoRA rank</span></p></div>
{_at(errors, "budget")}
<details class="methods-info" data-keep="budget"><summary>What the budget is</summary>\
<p>{INFO}</p></details>
</section>"""


def _times(found: Chosen, errors: Mapping[str, str]) -> str:
    now = found.draft.train_seeds
    options = "".join(
        f'<option value="{times}"{" selected" if times == now else ""}>{times}</option>'
        for times in sorted({*TIMES, now})
    )
    return f"""<p class="methods-times"><label for="methods-train_seeds">Train each method</label>
<select class="field" id="methods-train_seeds" data-place="train_seeds" \
aria-describedby="methods-times-said">{options}</select> \
<span>{"time" if now == 1 else "times"}</span>
<small id="methods-times-said">A second training shows how much of a difference is luck.</small>\
</p>{_at(errors, "train_seeds")}"""


def _start(found: Chosen, outlook: Outlook, errors: Mapping[str, str]) -> str:
    missing, link = _missing(found)
    there = [text for place, text in errors.items() if _elsewhere(place) or place == "start"]
    stopped = "".join(_error(f"<b>Stopped:</b> {escape(text)}") for text in there)
    back = ""
    if link or any(map(_elsewhere, errors)):
        back = '<button type="button" class="button quiet" data-do="back">Go to Pictures</button>'
    return f"""<div class="methods-start">{stopped}
<button type="button" class="button main" data-do="start" \
aria-describedby="methods-start-said"{" disabled" if missing else ""}>\
{_start_words(found, outlook)}</button>
<p id="methods-start-said">{escape(missing or outlook.queue)} {back}</p></div>"""


def _elsewhere(place: str) -> bool:
    return place.partition(":")[0] in ELSEWHERE


def _start_words(found: Chosen, outlook: Outlook) -> str:
    """Start 3 runs, about 1 min 50 s, two at a time."""
    runs = len(found.taking_part) * found.draft.train_seeds
    if not runs:
        return "Start"  # nothing, or references alone
    text = f"Start {words.count(runs)} run{'' if runs == 1 else 's'}"
    if outlook.seconds is not None:
        text += f" \N{MIDDLE DOT} {estimates.about(outlook.seconds)}"
    if runs > 1 and outlook.lanes > 1:
        together = words.small(min(outlook.lanes, runs))
        text += f'<span class="methods-wide">, {together} at a time</span>'
    return text


def _missing(found: Chosen) -> tuple[str, bool]:
    """What has to be there before Start, and whether it is on the first step."""
    if found.draft.task == "fewshot":
        return class_methods.missing(found)
    if not found.draft.pictures:
        return NO_PICTURES, True
    if not found.draft.noun.strip():
        return NO_NOUN, True
    if not found.draft.methods:
        return NO_METHOD, False
    return ("", False) if found.taking_part else (NONE_FITS, False)


def _absent(desk: Desk, stands: Probing | None, errors: Mapping[str, str]) -> str:
    """A backbone that is not on this machine: what it is, and the way to fetch it."""
    name, few = desk.draft.backbone, desk.task == "fewshot"
    known = clips.offer(name) if few else offers.offer(name)
    other = clips.OTHER_WORDS if few else offers.OTHER_WORDS
    title, about = (known.title, known.words) if known else (name, other)
    doing = (
        '<p><button type="button" class="button main" data-do="measure">'
        f"{'Download' if few else 'Download and measure'}</button></p>"
    )
    if stands is not None and stands.busy:
        doing = (
            f'<p class="methods-measuring">{escape(stands.stage)} ... '
            "You can leave this page; it goes on.</p>"
        )
    return f"""<section class="card methods-absent" aria-labelledby="methods-absent">
<h2 id="methods-absent">{escape(title)} is not on this machine yet</h2>
<p>{escape(about)}</p>
<p>Once it is here, the budget and the methods are shown for it.{"" if few else MEASURING}</p>
{_failed(stands)}{_at(errors, "measure")}{doing}
<p><button type="button" class="button quiet" data-do="back">Choose another backbone</button></p>
</section>"""


def _failed(stands: Probing | None) -> str:
    if stands is None or not stands.error:
        return ""
    return _error(f"<b>Stopped:</b> {escape(stands.error)}")


def _at(errors: Mapping[str, str], place: str) -> str:
    return _error(escape(errors[place])) if place in errors else ""


def _error(html: str) -> str:
    return f'<p class="error" role="alert">{html}</p>'
