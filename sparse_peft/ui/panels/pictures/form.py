"""What the subject is called, and the backbone that reads it."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from sparse_peft.data.findings import listed
from sparse_peft.data.words import names
from sparse_peft.tables import nearest
from sparse_peft.ui.clicks import gathering
from sparse_peft.ui.desk import offers
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.panels.fields import error, invalid

BUILTIN_NOTE = (
    "The built-in backbone draws small emoji-like scenes. From photographs it learns colours and"
    " rough shape, not a face. It shows in minutes how methods differ. For photo quality choose"
    " SD 1.5 or SDXL (a GPU and a download of 4.3 or 13.9 GB)."
)
MOST_NOUNS = 12
NO_PICTURE = "Add a picture and say what it is: then the sentence that the backbone reads is here."
NO_NOUN = "Say what it is: then the sentence that the backbone reads is here."


def form_html(desk: Desk, errors: Mapping[str, str]) -> str:
    """The noun, the backbone, and the sentence that follows from them."""
    draft = desk.draft
    source = offers.source_at_hand(draft.backbone)
    nouns, places = (source.known_nouns, source.known_places) if source else ((), ())
    note = BUILTIN_NOTE if draft.backbone == "builtin" else ""
    return f"""<section class="card pictures-form" aria-label="The subject and the backbone">
<datalist id="pictures-places">{_options(places)}</datalist>
<div class="pictures-fields">{_noun(draft, nouns, errors)}{_backbones(desk, draft, errors)}</div>
{_reading(desk, errors)}
<p class="pictures-info"{"" if note else " hidden"}><b aria-hidden="true">i</b>\
<span>{note}</span></p>
</section>
<p class="pictures-next"><button type="button" class="button main" data-do="next">\
Next: choose methods</button></p>"""


def _noun(draft: Draft, nouns: Sequence[str], errors: Mapping[str, str]) -> str:
    said = error(errors, "noun") or _unknown(draft, nouns)
    return f"""<div><label class="label" for="pictures-noun">What is it?</label>
<input type="text" class="field" id="pictures-noun" list="pictures-nouns" \
value="{escape(draft.noun)}" placeholder="dog" autocomplete="off" autocapitalize="off" \
maxlength="80" aria-describedby="pictures-noun-said"{invalid(errors, "noun")}>
<datalist id="pictures-nouns">{_options(sorted(nouns))}</datalist>
<div id="pictures-noun-said">{said}</div></div>"""


def _backbones(desk: Desk, draft: Draft, errors: Mapping[str, str]) -> str:
    chosen = offers.offer(draft.backbone)
    listed_offers = "".join(
        f'<option value="{escape(each.id)}">{each.title}</option>' for each in offers.OFFERS
    )
    where = "Hub id or folder" if desk.studio.place == "computer" else "Hub id"
    other = "" if chosen else draft.backbone
    words = chosen.words if chosen else offers.OTHER_WORDS
    words = f'<p class="muted pictures-small">{words}</p>'
    return f"""<div><label class="label" for="pictures-backbone">Backbone</label>
<select class="field" id="pictures-backbone" aria-describedby="pictures-backbone-said">\
{listed_offers}<option value="other">Another one</option></select>
<div class="pictures-other"><label class="label" for="pictures-other">{where}</label>
<input type="text" class="field" id="pictures-other" value="{escape(other)}" \
placeholder="owner/name" autocomplete="off" autocapitalize="off" spellcheck="false" \
maxlength="400" aria-describedby="pictures-backbone-said"{invalid(errors, "backbone")}></div>
<div id="pictures-backbone-said">{error(errors, "backbone") or words}</div></div>"""


def _reading(desk: Desk, errors: Mapping[str, str]) -> str:
    token, sentence = gathering.reading(desk)
    chip = f'<span class="chip">{escape(token)}</span>'
    words = escape(sentence).replace(escape(token), chip, 1)
    draft = desk.draft
    not_yet = NO_NOUN if draft.pictures else NO_PICTURE
    shown = f'The backbone reads: <q class="pictures-prompt">{words}</q>' if sentence else not_yet
    taken = gathering.taken_words(draft, offers.source_at_hand(draft.backbone))
    doubts = names.check_token(token, taken) if draft.token else []
    doubt = "".join(f"<b>Check:</b> {escape(finding.text)}" for finding in doubts)
    said = error(errors, "token") or (doubt and f'<p class="note">{doubt}</p>')
    return f"""<div class="pictures-reading"><p class="pictures-reads">{shown}</p>
<details{"" if sentence else " hidden"}><summary class="button quiet">Change the name</summary>
<div class="pictures-token"><label class="label" for="pictures-token">The word that will mean this \
one</label>
<input type="text" class="field" id="pictures-token" value="{escape(draft.token or "")}" \
placeholder="{escape(token)}" autocomplete="off" autocapitalize="off" spellcheck="false" \
maxlength="40" aria-describedby="pictures-token-why"{invalid(errors, "token")}>
<p class="muted pictures-small" id="pictures-token-why">A word that means nothing yet learns best. \
Empty: one is chosen for you.</p></div></details>
<div class="pictures-token-said">{said}</div></div>"""


def _options(words: Iterable[str]) -> str:
    return "".join(f'<option value="{escape(word)}"></option>' for word in words)


def _unknown(draft: Draft, nouns: Sequence[str]) -> str:
    """That the backbone has not seen the noun, where it says what it has seen."""
    if not draft.noun or not nouns or draft.noun.lower() in nouns:
        return ""
    offer = offers.offer(draft.backbone)
    title = offer.title.lower() if offer else "chosen"
    close = nearest(draft.noun, nouns)
    guess = f' Did you mean "{close}"?' if close else ""
    text = (
        f'the {title} backbone has not seen "{draft.noun}". It will learn slower.{guess}'
        f" Known: {listed(nouns, most=MOST_NOUNS)}"
    )
    return f'<p class="note"><b>Check:</b> {escape(text, quote=False)}</p>'
