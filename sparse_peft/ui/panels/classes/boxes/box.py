"""One class: its name, its pictures, how they are used, and the doors that more come in by."""

from collections.abc import Mapping, Sequence
from html import escape

from sparse_peft.report import words
from sparse_peft.ui.classes import counting
from sparse_peft.ui.classes.counting import Checks, share
from sparse_peft.ui.classes.form import Box, BoxPicture, ClassForm
from sparse_peft.ui.panels.fields import error, invalid
from sparse_peft.ui.panels.pictures.row import CROSS

SHOWN = 11  # thumbnails of a folded box; the next tile says how many there are besides
THUMB_SIDE = 96  # px of the small picture: a tile at twice its density
OWN_TESTS = "Test pictures of its own"
WHY_OWN = "Without them, what is not drawn for training tests it."
KEYS = "Arrow keys go from picture to picture, Delete removes one."


def box_html(
    form: ClassForm, place: int, box: Box, checks: Checks, errors: Mapping[str, str]
) -> str:
    """A class as a card.

    Args:
        place: its number on the page, from 1.
    """
    called = box.name or f"class {place}"
    return f"""<li class="boxes-box" data-box="{box.id}" data-called="{escape(called)}" \
data-count="{len(box.everything)}">
{_head(place, box, errors)}
<div class="boxes-inside">{_thumbs(box, box.pictures, called, checks)}{_empty(box)}</div>
<p class="boxes-share">{_share(form, box)}</p>
<p class="boxes-doors"><button type="button" class="button" data-class="choose" \
aria-label="Choose files for {escape(called)}">Choose files</button>
<button type="button" class="button boxes-camera" data-class="camera" \
aria-label="Camera for {escape(called)}">Camera</button></p>
<div class="boxes-checks">{_checks(box, checks, errors)}</div>
{_tests(box, called, checks)}
</li>"""


def _head(place: int, box: Box, errors: Mapping[str, str]) -> str:
    field = f"class_name:{box.id}"
    called = escape(box.name or f"class {place}")
    return f"""<div class="boxes-head">
<label class="label" for="class-{box.id}">Class {place}</label>
<button type="button" class="boxes-remove" data-class="remove" title="Remove this class" \
aria-label="Remove {called}">{CROSS}</button>
<input type="text" class="field boxes-name" id="class-{box.id}" value="{escape(box.name)}" \
placeholder="its name" autocomplete="off" autocapitalize="off" maxlength="80" \
aria-describedby="class-{box.id}-said"{invalid(errors, field)}>
<div id="class-{box.id}-said">{error(errors, field)}</div></div>"""


def _empty(box: Box) -> str:
    if box.pictures:
        return ""
    return '<p class="boxes-empty muted">Drop pictures here, or paste them.</p>'


def _thumbs(box: Box, pictures: Sequence[BoxPicture], called: str, checks: Checks) -> str:
    if not pictures:
        return ""
    folded = len(pictures) > SHOWN + 1 and not box.unfolded
    shown = pictures[:SHOWN] if folded else pictures
    thumbs = "".join(
        _thumb(box, number, picture, checks) for number, picture in enumerate(shown, 1)
    )
    return (
        f'<ol class="boxes-thumbs" aria-label="Pictures of {escape(called)}. {KEYS}">'
        f"{thumbs}{_fold(box, len(pictures), folded)}</ol>"
    )


def _thumb(box: Box, number: int, picture: BoxPicture, checks: Checks) -> str:
    said = checks.pictures.get((box.id, picture.sha256), "")
    doubt = f", {said}" if said else ""
    label = escape(f"Picture {number}, {picture.name}{doubt}. Remove it.")
    marked = ' data-said="yes"' if said else ""
    return (
        f'<li><button type="button" class="boxes-thumb" data-class="picture"{marked} '
        f'data-sha256="{picture.sha256}" tabindex="{0 if number == 1 else -1}" '
        f'title="{escape(picture.name)}{escape(doubt)}" aria-label="{label}">'
        f'<img src="/studio/classes/{picture.file}?side={THUMB_SIDE}" alt="" loading="lazy" '
        f'width="48" height="48"><span class="boxes-cross">{CROSS}</span></button></li>'
    )


def _fold(box: Box, count: int, folded: bool) -> str:
    if not folded and not (box.unfolded and count > SHOWN + 1):
        return ""
    text = f"+{count - SHOWN}" if folded else "less"
    label = f"Show all {count} pictures" if folded else "Show fewer pictures"
    return (
        f'<li><button type="button" class="boxes-fold mono" data-class="unfold" '
        f'data-on="{"yes" if folded else "no"}" aria-label="{label}">{text}</button></li>'
    )


def _share(form: ClassForm, box: Box) -> str:
    """How its pictures are used, such as "16 pictures: 4 to learn from, 12 to test it"."""
    if not box.everything:
        return "No picture yet."
    how = share(box, form.shots)
    begin = f"<b>{counting.counted(len(box.pictures))}</b>"
    if not box.pictures:
        return f"{begin} to learn from, {counting.counted(len(box.tests))} to test it."
    if box.tests:
        return f"{begin}: {how.learned} to learn from; {words.count(how.tested)} others test it."
    return f"{begin}: {how.learned} to learn from, {words.count(how.tested)} to test it."


def _checks(box: Box, checks: Checks, errors: Mapping[str, str]) -> str:
    wrong = error(errors, f"box:{box.id}")
    said = [wrong] if wrong else []
    notes = [] if wrong else list(checks.boxes.get(box.id, ()))
    names = {each.sha256: each.name for each in box.everything}
    notes += [
        f"{names[sha256]} {text}" for (home, sha256), text in checks.pictures.items()
        if home == box.id
    ][:3]  # fmt: skip
    said += [f'<p class="note"><b>Check:</b> {escape(each)}</p>' for each in notes]
    left_out = "".join(
        f"<li><b>{escape(each.picture or '')}</b> {escape(each.text)}</li>" for each in box.left_out
    )
    if left_out:
        said.append(
            f'<div class="note boxes-left-out"><b>Check:</b><ul>{left_out}</ul>'
            '<button type="button" class="button quiet" data-class="dismiss">Dismiss</button></div>'
        )
    return "".join(said)


def _tests(box: Box, called: str, checks: Checks) -> str:
    thumbs = _thumbs(box, box.tests, f"{called} to test it", checks)
    count = f" ({words.count(len(box.tests))})" if box.tests else ""
    return f"""<details class="boxes-tests" data-keep="tests-{box.id}">\
<summary>{OWN_TESTS}{count}</summary>{thumbs}
<p class="muted boxes-small">{WHY_OWN}</p>
<p><button type="button" class="button" data-class="test" \
aria-label="Choose test pictures for {escape(called)}">Choose test pictures</button></p>
</details>"""
