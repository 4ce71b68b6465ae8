"""How many pictures are learned from, the backbone that learns, and the sentence that it reads."""

from collections.abc import Mapping, Sequence
from html import escape

from sparse_peft import presets
from sparse_peft.presets import ClassesPreset
from sparse_peft.tasks.fewshot.recipe import CLASS, TEMPLATE
from sparse_peft.ui.classes import backbones, counting
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.panels.fields import error, invalid

NAMED = 3  # classes whose sentences are shown
NO_WORDS = "This backbone reads no words: a linear head on it learns the classes."
NO_NAMES = "Name a class: then the sentence that the backbone reads is here."
WHY_TEMPLATE = f"{CLASS} stands for the class. Empty: the preset's own."
TESTED = (
    "Test pictures: what is not drawn for training. Each draw takes others, so that luck is seen."
)

BASE_TO_NEW = (
    '<p class="note boxes-half">Base to new, as the comparison before: the first half of the'
    " classes is learned, both halves test it."
    ' <button type="button" class="button quiet" data-class="whole">Learn all classes</button></p>'
)


def form_html(desk: Desk, errors: Mapping[str, str]) -> str:
    """The shots, the backbone, and the sentence that follows from the names."""
    draft = desk.draft
    note = backbones.BUILTIN_NOTE if draft.backbone == "builtin" else ""
    return f"""<section class="card boxes-form" aria-label="The shots and the backbone">
<div class="boxes-fields">{_shots(draft, errors)}{_backbone(desk, draft, errors)}</div>
{_reading(draft, errors)}
<p class="boxes-info"{"" if note else " hidden"}><b aria-hidden="true">i</b>\
<span>{note}</span></p>
</section>
<p class="boxes-next"><button type="button" class="button main" data-class="next">\
Next: choose methods</button></p>"""


def template_of(draft: Draft) -> str:
    """What CLIP reads for each class."""
    if draft.classes.template:
        return draft.classes.template
    family = backbones.family_of(draft.backbone)
    for each in presets.all_presets():
        if (each.task, each.backbone, each.name) == ("fewshot", family, draft.preset):
            assert isinstance(each, ClassesPreset)
            return each.shared.template
    return TEMPLATE


def _shots(draft: Draft, errors: Mapping[str, str]) -> str:
    form = draft.classes
    own = any(box.tests for box in form.boxes)
    half = BASE_TO_NEW if form.base_to_new else ""
    return f"""<div><label class="label" for="boxes-shots">Learn from how many of each class?\
</label>
<input type="text" class="field mono boxes-number" id="boxes-shots" value="{form.shots}" \
inputmode="numeric" autocomplete="off" maxlength="6" aria-describedby="boxes-shots-said"\
{invalid(errors, "shots")}>
<div id="boxes-shots-said">{error(errors, "shots")}<p class="boxes-follows">\
{escape(counting.sentence(form))}</p>\
{"" if own else f'<p class="muted boxes-small">{TESTED}</p>'}{half}</div></div>"""


def _backbone(desk: Desk, draft: Draft, errors: Mapping[str, str]) -> str:
    chosen = backbones.offer(draft.backbone)
    listed = "".join(
        f'<option value="{escape(each.id)}">{escape(each.title)}</option>'
        for each in backbones.OFFERS
    )
    own = desk.studio.place == "computer"
    names = "A name of open_clip or timm"
    where = f"{names}, a folder or a checkpoint" if own else names
    other = "" if chosen else draft.backbone
    about = chosen.words if chosen else backbones.OTHER_WORDS
    said = error(errors, "clip") or f'<p class="muted boxes-small">{escape(about)}</p>'
    return f"""<div><label class="label" for="boxes-backbone">Backbone</label>
<select class="field" id="boxes-backbone" aria-describedby="boxes-backbone-said">{listed}\
<option value="other">Another one</option></select>
<div class="boxes-other"><label class="label" for="boxes-other">{where}</label>
<input type="text" class="field" id="boxes-other" value="{escape(other)}" \
placeholder="ViT-B-16/laion2b_s34b_b88k" autocomplete="off" autocapitalize="off" \
spellcheck="false" maxlength="400" aria-describedby="boxes-backbone-said"\
{invalid(errors, "clip")}></div>
<div id="boxes-backbone-said">{said}</div></div>"""


def _reading(draft: Draft, errors: Mapping[str, str]) -> str:
    if not backbones.reads_words(draft.backbone):
        return f'<div class="boxes-reading"><p class="boxes-reads">{NO_WORDS}</p></div>'
    template = template_of(draft)
    names = [box.name for box in counting.filled(draft.classes) if box.name]
    shown = f"The backbone reads: {_sentences(template, names)}" if names else NO_NAMES
    return f"""<div class="boxes-reading"><p class="boxes-reads">{shown}</p>
<details data-keep="template"><summary class="button quiet">Change</summary>
<div class="boxes-template"><label class="label" for="boxes-template">What it reads for each \
class</label>
<input type="text" class="field mono" id="boxes-template" \
value="{escape(draft.classes.template)}" placeholder="{escape(template)}" autocomplete="off" \
autocapitalize="off" spellcheck="false" maxlength="200" aria-describedby="boxes-template-why"\
{invalid(errors, "template")}>
<div id="boxes-template-why">{error(errors, "template")}\
<p class="muted boxes-small">{escape(WHY_TEMPLATE)}</p></div></div></details></div>"""


def _sentences(template: str, names: Sequence[str]) -> str:
    before, _, after = template.partition(CLASS)
    shown = " ".join(
        f'<q class="boxes-prompt">{escape(before)}<span>{escape(name)}</span>{escape(after)}</q>'
        for name in names[:NAMED]
    )
    more = len(names) - NAMED
    return f"{shown} <span>and {more} more</span>" if more > 0 else shown
