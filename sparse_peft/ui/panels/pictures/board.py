"""The first step: the door that pictures come in by, and what follows from them."""

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from sparse_peft.data.opening.clean import LEAST_SIDE
from sparse_peft.data.opening.folder import in_words
from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.ui.clicks import gathering
from sparse_peft.ui.clicks.gathering import EXAMPLE_NAMES, Kept
from sparse_peft.ui.desk import offers
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.panels.first_step import ACCEPT, FORMATS, NO_CAMERA, STAY, step, used_before
from sparse_peft.ui.panels.pictures.form import form_html
from sparse_peft.ui.panels.pictures.row import count, row_html

FIRST_TITLE = "Show the backbone one subject."
INVITATION = "Drop 3 to 6 pictures here, paste them, or use the camera."
TITLE = "Drop 3 to 6 pictures of one subject"
PHONE_TITLE = "Add 3 to 6 pictures of one subject"
THUMB_SIDE = 144
KEPT_THUMBS = 3

SCRIPTS = (
    "asking", "pictures/pictures", "pictures/after", "popup", "pictures/door", "drop", "camera",
    "pictures/crop", "pictures/crop_keys",
)  # fmt: skip


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The step as its draft stands; nothing while classes are taught."""

    def html(draft: Draft) -> str:
        return (
            f'<div class="pictures">{_door(desk, draft, errors)}'
            f"{row_html(draft, errors)}{form_html(desk, errors)}</div>"
        )

    return step(desk, "dreambooth", html, _data)


def _data(draft: Draft) -> dict[str, object]:
    return {
        "ready": len(draft.pictures),
        "count": count(len(draft.pictures)),
        "least_side": LEAST_SIDE,
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
{used_before("pictures", "data-do", map(_kept, gathering.kept(desk)))}
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


def _kept(kept: Kept) -> tuple[str, str, str, str]:
    subject = kept.subject
    return kept.id, subject.noun, count(len(subject.pictures)), _thumbs(kept)


def _thumbs(kept: Kept) -> str:
    first = kept.subject.pictures[:KEPT_THUMBS]
    return "".join(
        f'<img src="/studio/data/{quote(kept.id)}/{each.file}?square='
        f'{",".join(map(str, each.crop))}&amp;side={THUMB_SIDE}" width="36" height="36" alt="">'
        for each in first
    )
