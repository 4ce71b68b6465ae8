"""What the second step has of its own for classes: recipes, references, draws."""

from collections.abc import Mapping
from html import escape

from sparse_peft import presets as recipes
from sparse_peft.presets import ClassesPreset
from sparse_peft.report import words
from sparse_peft.ui.classes import backbones, sorting
from sparse_peft.ui.classes.form import ClassForm
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.estimates.chosen import PRESETS, Chosen

TIMES = (1, 2, 3, 5, 10)
ZERO_SHOT = (
    "The backbone as it comes, with its prompts: it reads the names and learns nothing. Always"
    " there, as the line that methods have to pass."
)
LINEAR_PROBE = "A straight line through the untouched features; outside the budget."
PROBE_ALWAYS = (
    "The backbone as it comes, with a linear head on its untouched features; outside the budget."
    " Always there, as the line that methods have to pass. Every method trains a head too."
)
WHY_DRAWS = "Each draw takes other pictures to learn from: how much of a difference is luck."
NO_METHOD = "Tick at least one method."
NONE_FITS = "No ticked method can go this low. Raise the budget, or add one at its smallest."


def presets(found: Chosen, errors: Mapping[str, str]) -> str:
    """The recipes of the backbone's family, and where the chosen one comes from."""
    assert isinstance(found.plain, ClassesPreset)
    form = found.draft.classes
    said = f"{words.count(found.steps)} steps, {_shots(form)}. Backbone: {found.source.title}."
    return f"""<div class="methods-presets">{_radios(found.draft, found.source.family)}
<p class="muted">{escape(said)}</p></div>
{_error(errors.get("preset", ""))}{_about(found.plain)}"""


def refused(draft: Draft, sentence: str) -> str:
    """The recipes alone, where the chosen one cannot be used on this backbone."""
    family = backbones.family_of(draft.backbone)
    return f"""<div class="methods-presets">{_radios(draft, family)}</div>
<section class="card">{_error(sentence)}<p><button type="button" class="button quiet" \
data-do="back">Choose another backbone</button></p></section>"""


def references(found: Chosen) -> str:
    """Zero-shot, which is always there, and the linear probe to tick; without words that alone."""
    if not backbones.reads_words(found.source.id):
        return f"""<section class="card class-references class-alone" aria-label="References">
<div class="class-reference"><b>Linear probe</b><p>{PROBE_ALWAYS}</p></div></section>"""
    checked = " checked" if found.draft.classes.linear_probe else ""
    return f"""<section class="card class-references" aria-label="References">
<div class="class-reference"><b>Zero-shot</b><p>{ZERO_SHOT}</p></div>
<label class="class-reference class-probe" for="methods-linear-probe">\
<input type="checkbox" id="methods-linear-probe"{checked} \
aria-describedby="methods-linear-probe-said"> <b>Linear probe</b>\
<span id="methods-linear-probe-said">{LINEAR_PROBE}</span></label></section>"""


def draws(found: Chosen, errors: Mapping[str, str]) -> str:
    """How often the shots are drawn, and each method trained."""
    now = found.draft.train_seeds
    options = "".join(
        f'<option value="{times}"{" selected" if times == now else ""}>{times}</option>'
        for times in sorted({*TIMES, now})
    )
    return f"""<p class="methods-times"><label for="methods-train_seeds">Draw and train</label>
<select class="field" id="methods-train_seeds" data-place="train_seeds" \
aria-describedby="methods-times-said">{options}</select> \
<span>{"time" if now == 1 else "times"}</span>
<small id="methods-times-said">{WHY_DRAWS}</small></p>{_error(errors.get("seeds", ""))}\
{_error(errors.get("train_seeds", ""))}"""


def missing(found: Chosen) -> tuple[str, bool]:
    """What has to be there before Start, and whether it is on the first step."""
    for sentence in sorting.missing(found.draft.classes).values():
        return sentence, True
    probe = found.draft.classes.linear_probe or not backbones.reads_words(found.source.id)
    if found.taking_part or (probe and not found.draft.methods):
        return "", False
    return (NONE_FITS if found.draft.methods else NO_METHOD), False


def _radios(draft: Draft, family: str) -> str:
    known = {each.name: each for each in recipes.all_presets()
             if (each.task, each.backbone) == ("fewshot", family)}  # fmt: skip
    radios = "".join(
        f'<label><input type="radio" name="methods-preset" value="{name}"'
        f"{' checked' if name == draft.preset else ''}>"
        f"<span>{escape(known[name].title)}</span></label>"
        for name in PRESETS["fewshot"]
        if name in known
    )
    return f'<fieldset class="choice class-presets"><legend>Preset</legend>{radios}</fieldset>'


def _about(preset: ClassesPreset) -> str:
    """Where a recipe comes from, and what it gave there."""
    repeats = f"<p><b>To compare with:</b> {escape(preset.reproduces)}.</p>"
    return f"""<details class="methods-info class-about" data-keep="recipe">\
<summary>Where this preset comes from</summary>
<p><b>Source:</b> {escape(preset.source)}.</p>{repeats if preset.reproduces else ""}</details>"""


def _shots(form: ClassForm) -> str:
    return f"{form.shots} picture{'' if form.shots == 1 else 's'} of each class"


def _error(sentence: str) -> str:
    return f'<p class="error" role="alert">{escape(sentence)}</p>' if sentence else ""
