"""The first step for classes: doors for whole folders, a box for each class, and what follows."""

from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.data.opening.folder import SIDECARS, in_words
from sparse_peft.data.pictures import MOST_BYTES, MOST_BYTES_TOGETHER
from sparse_peft.ui.classes import backbones, counting, folders
from sparse_peft.ui.classes.boxes import MOST_BOXES
from sparse_peft.ui.classes.counting import Checks
from sparse_peft.ui.classes.folders import Kept
from sparse_peft.ui.classes.form import SHOTS, ClassForm
from sparse_peft.ui.classes.routes import MOST_FILES
from sparse_peft.ui.comparisons import shipped
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.panels.classes.boxes import box, form
from sparse_peft.ui.panels.first_step import ACCEPT, FORMATS, NO_CAMERA, STAY, step, used_before

TITLE = "Sort pictures into classes."
HOW = (
    "A box is a class: name it, and drop its pictures onto it."
    f" {SHOTS + 1} or more of each suffice: {SHOTS} are learned from, the others test it."
)
WHOLE = "All at once: a folder that holds a folder for each class, or a ZIP of it."
SPLIT = "Folders called train and test in it are kept apart."
ANIMALS = ("chicken", "fox", "koala", "lion", "monkey", "turtle")

SCRIPTS = (
    "asking", "popup", "classes/boxes/boxes", "classes/boxes/after", "classes/boxes/door",
    "classes/boxes/drop", "classes/boxes/thumbs", "camera",
)  # fmt: skip


def render(desk: Desk, errors: Mapping[str, str]) -> dict[str, Any]:
    """The step as its draft stands; nothing while one subject is taught."""

    def html(draft: Draft) -> str:
        return (
            f'<div class="boxes">{_door(desk, errors)}{_boxes(desk, draft, errors)}'
            f"{form.form_html(desk, errors)}</div>"
        )

    return step(desk, "fewshot", html, _data)


def _data(draft: Draft) -> dict[str, object]:
    pictures = sum(1 for _ in draft.classes.everything())
    return {
        "ready": pictures,
        "count": counting.counted(pictures),
        "most_together": MOST_BYTES_TOGETHER // 3,
        "most_files": MOST_FILES,
        "sidecars": sorted(SIDECARS),
        "offered": [offer.id for offer in backbones.OFFERS],
    }


def _door(desk: Desk, errors: Mapping[str, str]) -> str:
    error = errors.get("classes", "")
    return f"""<section class="card boxes-door" aria-labelledby="boxes-title">
<div class="boxes-drop"><h2 id="boxes-title">{TITLE}</h2>
<p>{HOW}</p>
<p class="boxes-doors">
<button type="button" class="button" data-class="folder">Choose a folder</button>
<button type="button" class="button" data-class="archive">Add a ZIP of class folders</button></p>
<p class="muted boxes-small">{WHOLE} {SPLIT}</p>
<p class="muted boxes-small">{FORMATS}, up to {in_words(MOST_BYTES)} each. \
{STAY[desk.studio.place]}</p>
<p class="muted boxes-small boxes-no-camera">{NO_CAMERA}</p>
<input type="file" class="unseen" id="boxes-files" accept="{ACCEPT}" multiple tabindex="-1" \
aria-label="Choose pictures">
<input type="file" class="unseen" id="boxes-folder" webkitdirectory multiple tabindex="-1" \
aria-label="Choose a folder">
<input type="file" class="unseen" id="boxes-archive" accept=".zip,application/zip" \
tabindex="-1" aria-label="Choose a ZIP"></div>
{_at_hand()}{used_before("boxes", "data-class", map(_kept, folders.kept(desk)))}
<div class="boxes-told"><p class="boxes-progress" role="status"></p>
<p class="error boxes-refused" role="alert"{"" if error else " hidden"}>{escape(error)}</p></div>
</section>"""


def _at_hand() -> str:
    pictures = "".join(
        f'<img src="/studio/animals/train/{name}/00.png" width="40" height="40" alt="">'
        for name in ANIMALS
    )
    finished = (
        f'<p><a href="/?comparison={shipped.CLASSES}">or see a finished comparison</a></p>'
        if shipped.is_there(shipped.CLASSES)
        else ""
    )
    return f"""<div class="boxes-hand"><h3>No pictures at hand?</h3>
<button type="button" class="boxes-example" data-class="example"><span>{pictures}</span>\
<b>Ten animals</b> 16 pictures each, and 24 to test it</button>
<p class="muted boxes-small">One click fills this page.</p>{finished}</div>"""


def _kept(kept: Kept) -> tuple[str, str, str, str]:
    size = f"{len(kept.classes)} classes, {counting.counted(kept.pictures)}"
    return kept.id, kept.title, size, _thumbs(kept)


def _thumbs(kept: Kept) -> str:
    return "".join(
        f'<img src="/studio/data/{escape(kept.id)}/{escape(file)}?side=72" width="36" height="36" '
        'alt="">'
        for file in kept.first
    )


def _boxes(desk: Desk, draft: Draft, errors: Mapping[str, str]) -> str:
    classes = draft.classes
    wanted = backbones.wanted_side(draft.backbone)
    checks = counting.checks(classes, desk.class_pictures, wanted)
    drawn = "".join(
        box.box_html(classes, place, each, checks, errors)
        for place, each in enumerate(classes.boxes, 1)
    )
    more = (
        '<li class="boxes-more"><button type="button" class="boxes-add" data-class="add">'
        "Add a class</button></li>"
        if len(classes.boxes) < MOST_BOXES
        else ""
    )
    return f"""<section class="boxes-section" aria-labelledby="boxes-row-title">
{_top(classes)}<div class="boxes-checks">{_said(classes, checks)}</div>
<ol class="boxes-boxes">{drawn}{more}</ol></section>"""


def _top(classes: ClassForm) -> str:
    line = counting.ready_line(classes)
    clear = (
        '<button type="button" class="button quiet" data-class="clear">Remove all</button>'
        if line
        else ""
    )
    return f"""<div class="boxes-top"><h2 id="boxes-row-title">{line or "The classes"}</h2>\
{clear}</div>"""


def _said(classes: ClassForm, checks: Checks) -> str:
    warned = (f'<p class="note"><b>Check:</b> {escape(each)}</p>' for each in checks.together)
    noted = (f'<p class="muted">{escape(each)}</p>' for each in (*checks.notes, *classes.said))
    return "".join([*warned, *noted])
