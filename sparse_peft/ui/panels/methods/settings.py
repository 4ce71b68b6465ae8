"""More settings: each method's dataclass as a form, its learning rate, steps, seed and prompts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, get_args, get_type_hints

from sparse_peft import tables
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.methods import all_methods
from sparse_peft.methods.fields import Setting, settings
from sparse_peft.report import words
from sparse_peft.report.marks import identities, mark_svg
from sparse_peft.ui.clicks.prompts import shown_prompts
from sparse_peft.ui.estimates.chosen import Chosen, blocked, ordered, usual_steps

NOT_YOURS = "preset: chosen on other subjects, not on yours"
NOT_YOUR_CLASSES = "preset: chosen on other classes, not on yours"
FIRST_SEED = "of the draws, counted up from it; published draws begin at 1"
BY_BUDGET = "set by the budget"


def form(chosen: Chosen, errors: Mapping[str, str]) -> str:
    """Everything that a preset says and a person may change."""
    ticked = [name for name in ordered() if name in chosen.draft.methods]
    others = [name for name in ordered() if name not in chosen.draft.methods]
    return f"""<details class="card methods-more" data-keep="more"><summary>More settings</summary>
<div class="methods-general">{_general(chosen, errors)}</div>
{_forms(chosen, ticked, errors)}{_others(chosen, others, errors)}
<p><button type="button" class="button" data-do="reset">Back to the preset</button></p></details>"""


def _forms(chosen: Chosen, names: Sequence[str], errors: Mapping[str, str]) -> str:
    drawn = "".join(_method(chosen, name, errors) for name in names)
    return f'<div class="methods-forms">{drawn}</div>' if drawn else ""


def _others(chosen: Chosen, names: Sequence[str], errors: Mapping[str, str]) -> str:
    """Settings of methods that would not be trained, folded."""
    if not names:
        return ""
    return f"""<details class="methods-others" data-keep="others">\
<summary>Methods that are not ticked ({len(names)})</summary>\
{_forms(chosen, names, errors)}</details>"""


def _general(chosen: Chosen, errors: Mapping[str, str]) -> str:
    draft = chosen.draft
    usual = f"preset: {words.count(usual_steps(chosen.plain, draft))}"
    steps = _text("steps", "Steps", str(chosen.steps), usual, errors)
    if draft.task == "fewshot":
        first = _text("seed", "First seed", str(draft.seed), FIRST_SEED, errors)
        return f'<div class="methods-numbers-fields">{steps}</div><div>{first}</div>'
    seed = _text("seed", "Seed", str(draft.seed), "of the data order and the noise", errors)
    shown = escape(shown_prompts(chosen.prompts, draft.noun))
    how_many = words.small(len(PROMPTS)).capitalize()
    example = f"your {draft.noun.strip() or 'subject'}"
    hint = f"{how_many} if left empty, one a line; write &ldquo;{escape(example)}&rdquo;."
    return f"""<div class="methods-numbers-fields">{steps}{seed}</div>
<div><label class="label" for="methods-prompts">Test prompts</label>
<textarea class="field" id="methods-prompts" rows="8" spellcheck="false" \
aria-describedby="methods-prompts-said"{_invalid(errors, "prompts")}>{shown}</textarea>
<div id="methods-prompts-said">{_said(errors, "prompts")}<small>{hint}</small></div></div>"""


def _method(chosen: Chosen, name: str, errors: Mapping[str, str]) -> str:
    kind = all_methods()[name]
    mark = mark_svg(identities([(name, kind.family)])[name], 14)
    counted = chosen.dial.methods[name]
    changed = chosen.preset.methods[name].fields if name in chosen.preset.methods else {}
    usual = chosen.plain.methods[name].fields if name in chosen.plain.methods else {}
    values = tables.table(kind()) | usual | changed
    drawn = "".join(
        _sized(chosen, name, each)
        if each.name in counted.sized_by
        else _setting(name, kind, each, values[each.name], errors)
        for each in settings(kind)
    )
    return f"""<fieldset class="methods-form" data-method="{name}">\
<legend>{mark} {escape(kind.label)}</legend>
{_rate(chosen, name, errors)}{drawn}</fieldset>"""


def _rate(chosen: Chosen, name: str, errors: Mapping[str, str]) -> str:
    preset = chosen.plain.methods.get(name)
    not_yours = NOT_YOURS if chosen.draft.task == "dreambooth" else NOT_YOUR_CLASSES
    ours = chosen.rate(name) if name in chosen.preset.methods else None
    hint = "this preset has none for it"
    if preset:
        usual = chosen.usual_rate(name)
        moved = f" at this budget, {preset.lr:g} at its own" if usual != preset.lr else ""
        hint = f"the preset's is {usual:g}{moved}" if moved or ours != usual else not_yours
    return _text(f"{name}.lr", "Learning rate", "" if ours is None else f"{ours:g}", hint, errors)


def _sized(chosen: Chosen, name: str, setting: Setting) -> str:
    """The field that the budget sets: it shows the size and cannot be typed into."""
    identity = f"methods-{name}-{setting.name}"
    sizes = chosen.dial.methods[name].sizes
    knob = "" if blocked(chosen, name) or not sizes else escape(sizes[chosen.stop].knob)
    return f"""<div class="methods-setting"><label class="label" for="{identity}">{setting.name} \
<span class="muted">{BY_BUDGET}</span></label>
<output class="field methods-fixed" id="{identity}" data-of="knob" \
aria-describedby="{identity}-said">{knob}</output>
<div id="{identity}-said"><small>{escape(setting.help)}</small></div></div>"""


def _setting(name: str, kind: Any, setting: Setting, value: Any, errors: Mapping[str, str]) -> str:
    place = f"{name}.{setting.name}"
    hint = get_type_hints(kind)[setting.name]
    if hint is bool:
        return _check(place, setting, bool(value), errors)
    options = [arg for arg in get_args(hint) if isinstance(arg, str)]
    if options:
        return _choice(place, setting, options, str(value), errors)
    return _text(place, setting.name, _shown(value), setting.help, errors)


def _text(place: str, label: str, value: str, hint: str, errors: Mapping[str, str]) -> str:
    identity = _identity(place)
    return f"""<div class="methods-setting">\
<label class="label" for="{identity}">{escape(label)}</label>
<input type="text" class="field mono" id="{identity}" data-place="{place}" value="{escape(value)}" \
inputmode="text" autocomplete="off" autocapitalize="off" spellcheck="false" \
aria-describedby="{identity}-said"{_invalid(errors, place)}>
<div id="{identity}-said">{_said(errors, place)}<small>{escape(hint)}</small></div></div>"""


def _check(place: str, setting: Setting, value: bool, errors: Mapping[str, str]) -> str:
    identity = _identity(place)
    return f"""<div class="methods-setting"><label class="methods-check" for="{identity}">\
<input type="checkbox" id="{identity}" data-place="{place}"{" checked" if value else ""} \
aria-describedby="{identity}-said"{_invalid(errors, place)}> <b>{setting.name}</b></label>
<div id="{identity}-said">{_said(errors, place)}<small>{escape(setting.help)}</small></div></div>"""


def _choice(
    place: str, setting: Setting, options: list[str], value: str, errors: Mapping[str, str]
) -> str:
    identity = _identity(place)
    listed = "".join(
        f'<option value="{escape(option)}"{" selected" if option == value else ""}>'
        f"{escape(option)}</option>"
        for option in options
    )
    return f"""<div class="methods-setting">\
<label class="label" for="{identity}">{setting.name}</label>
<select class="field" id="{identity}" data-place="{place}" \
aria-describedby="{identity}-said"{_invalid(errors, place)}>{listed}</select>
<div id="{identity}-said">{_said(errors, place)}<small>{escape(setting.help)}</small></div></div>"""


def _identity(place: str) -> str:
    return f"methods-{place.replace('.', '-')}"


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _invalid(errors: Mapping[str, str], place: str) -> str:
    return ' aria-invalid="true"' if place in errors else ""


def _said(errors: Mapping[str, str], place: str) -> str:
    return f'<p class="error" role="alert">{escape(errors[place])}</p>' if place in errors else ""
