"""The first step: the door that pictures come in by, and what follows from them."""

import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from sparse_peft.data.clean import LEAST_SIDE
from sparse_peft.data.folder import in_words
from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.ui import gathering, offers
from sparse_peft.ui.desk import Desk
from sparse_peft.ui.draft import Draft
from sparse_peft.ui.gathering import EXAMPLE_NAMES, Kept
from sparse_peft.ui.panels import pictures_form, pictures_row
from sparse_peft.ui.panels.pictures_row import count

FORMATS = "JPEG PNG WebP HEIC"
ACCEPT = ".jpg,.jpeg,.png,.webp,.heic,.heif,.gif,.bmp,image/*"
FIRST_TITLE = "Show the backbone one subject."
INVITATION = "Drop 3 to 6 pictures here, paste them, or use the camera."
TITLE = "Drop 3 to 6 pictures of one subject"
PHONE_TITLE = "Add 3 to 6 pictures of one subject"
STAY = {
    "computer": "They stay on this computer.",
    "server": "They stay on this server; only you see them, until you delete them.",
    "space": "They stay on this server; only you see them, until it restarts.",
}
NO_CAMERA = 'Camera needs https or localhost. On a phone, "Choose" offers the camera.'
THUMB_SIDE = 144
KEPT_THUMBS = 3

SCRIPTS = (
    "asking", "pictures", "pictures_after", "pictures_popup", "door", "drop", "camera", "crop",
    "crop_keys",
)  # fmt: skip

_drawn = itertools.count()  # a browser hears of an answer only if it differs from the one before


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The step as its draft stands; nothing while classes are taught."""
    if desk.task != "dreambooth":
        return {"html": "", "data": {"drawn": next(_drawn)}}
    draft = desk.draft
    html = (
        f'<div class="pictures">{_door(desk, draft, errors)}{pictures_row.row_html(draft, errors)}'
        f"{pictures_form.form_html(desk, errors)}</div>"
    )
    return {"html": html, "data": _data(draft)}


def _data(draft: Draft) -> dict[str, Any]:
    return {
        "drawn": next(_drawn),
        "ready": len(draft.pictures),
        "count": count(len(draft.pictures)),
        "most_bytes": MOST_BYTES,
        "least_side": LEAST_SIDE,
        "backbone": draft.backbone,
        "offered": [offer.id for offer in offers.OFFERS],
    }


def _door(desk: Desk, draft: Draft, errors: Mapping[str, str]) -> str:
    title = TITLE if draft.pictures else FIRST_TITLE
    invitation = "" if draft.pictures else INVITATION
    error = errors.get("pictures", "")
    return f"""<section class="card pictures-door" aria-labelledby="pictures-title">
<div class="pictures-drop">
<h2 id="pictures-title"><span class="pictures-wide">{title}</span>\
<span class="pictures-phone">{PHONE_TITLE}</span></h2>
<p class="pictures-invitation pictures-wide">{invitation}</p>
<p class="pictures-doors">
<button type="button" class="button main" data-do="choose">Choose files</button>
<button type="button" class="button pictures-camera" data-do="camera">Camera</button>
<span class="muted pictures-wide">or paste</span>
<span class="pictures-progress" hidden></span></p>
<input type="file" class="unseen" id="pictures-files" accept="{ACCEPT}" multiple tabindex="-1" \
aria-label="Choose pictures">
<p class="muted pictures-small">{FORMATS}, up to {in_words(MOST_BYTES)} each.</p>
<p class="muted pictures-small">{STAY[desk.studio.place]}</p>
<p class="muted pictures-small pictures-no-camera">{NO_CAMERA}</p>
<p class="error pictures-refused" role="alert"{"" if error else " hidden"}>{escape(error)}</p>
</div>
{_at_hand()}
{_used_before(gathering.kept(desk))}
</section>"""


def _at_hand() -> str:
    examples = "".join(
        '<li><button type="button" class="pictures-example" data-do="example" '
        f'data-name="{name}"><img src="/studio/subjects/{name}/00.png" width="64" height="64" '
        f'alt="">{name}</button></li>'
        for name in EXAMPLE_NAMES
    )
    return f"""<div class="pictures-hand">
<h3>No pictures at hand?</h3>
<ul class="pictures-examples" aria-label="Examples">{examples}</ul>
<p class="muted pictures-small">One click fills this page.</p>
<p><a href="/?comparison=example">or see a finished comparison</a></p>
</div>"""


def _used_before(kept: Sequence[Kept]) -> str:
    if not kept:
        return '<div class="pictures-before"></div>'
    sets = "".join(
        '<li><button type="button" class="pictures-kept" data-do="reuse" '
        f'data-name="{escape(each.id)}">{_thumbs(each)}<span><b>{escape(each.subject.noun)}</b> '
        f"{count(len(each.subject.pictures))}</span></button></li>"
        for each in kept
    )
    return f'<div class="pictures-before"><h3>Used before</h3><ul>{sets}</ul></div>'


def _thumbs(kept: Kept) -> str:
    first = kept.subject.pictures[:KEPT_THUMBS]
    return "".join(
        f'<img src="/studio/data/{quote(kept.id)}/{each.file}?square='
        f'{",".join(map(str, each.crop))}&amp;side={THUMB_SIDE}" width="36" height="36" alt="">'
        for each in first
    )
