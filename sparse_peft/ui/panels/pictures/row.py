"""The row of squares: each picture whole, its square over it, and what its checks say."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from sparse_peft.data.findings import Finding
from sparse_peft.data.pictures import Picture
from sparse_peft.ui.clicks import gathering
from sparse_peft.ui.desk import row
from sparse_peft.ui.desk.draft import Draft

CAPTION_HINT = "where is it?"
WHY_CAPTIONS = "A caption that says where it is helps the backbone tell the subject from the place."
ONE_PICTURE = (
    "One picture works, but every method will copy its background. Two or three more help a lot."
)
SEEN = "The squares the backbone will see."
HOW = "Drag a square to move it, its corner to resize it."
HOW_ON_PHONE = "Tap a square to move it; drag its corner to resize it."
HOW_BY_KEYS = (
    "Arrow keys move a square, with Shift by 10 pixels. Plus and minus change its size."
    " Delete removes the picture."
)
CROSS = (
    '<svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">'
    '<path d="M1 1l10 10M11 1L1 11" stroke="currentColor" stroke-width="2"/></svg>'
)
STAGE_SIDE = 448  # px of the small picture: a tile at twice its density


def row_html(draft: Draft, errors: Mapping[str, str]) -> str:
    """All pictures with what is said of them, and the files that were left out."""
    left_out = row.left_out_of(draft)
    if not draft.pictures and not left_out:
        return '<section class="pictures-row"></section>'
    checks = row.checks(draft)
    tiles = "".join(
        _tile(number, picture, checks[picture.name], errors.get(f"picture:{picture.name}", ""))
        for number, picture in enumerate(draft.pictures, 1)
    )
    one = f'<p class="note">{ONE_PICTURE}</p>' if len(draft.pictures) == 1 else ""
    return f"""<section class="card pictures-row" aria-labelledby="pictures-row-title">
{_top(draft)}
<div>{one}</div>
<ol class="pictures-tiles">{tiles}</ol>
<div>{_left_out(left_out)}</div>
</section>"""


def _top(draft: Draft) -> str:
    some = len(draft.pictures) > 0
    return f"""<div class="pictures-top">
<h2 id="pictures-row-title">{SEEN if some else "None can be used."}</h2>
<span class="pictures-count">{count(len(draft.pictures)) if some else ""}</span>
<button type="button" class="button quiet" data-do="clear">Remove all</button></div>
<p class="pictures-ready">{gathering.count_line(draft)}</p>
<p class="muted" id="pictures-how"{"" if some else " hidden"}>\
<span class="pictures-wide">{HOW}</span><span class="pictures-phone">{HOW_ON_PHONE}</span> \
{WHY_CAPTIONS} \
<span class="unseen">{HOW_BY_KEYS}</span></p>"""


def count(number: int) -> str:
    """A number of pictures in words."""
    return "1 picture" if number == 1 else f"{number} pictures"


def _tile(number: int, picture: Picture, findings: Sequence[Finding], error: str) -> str:
    name = escape(picture.name)
    called = f"picture {number}, {name}"
    said = f"pictures-error-{number}" if error else f"pictures-checks-{number}"
    return f"""<li class="pictures-tile" data-picture="{name}">
{_stage(picture, called)}
<div class="pictures-name"><b>{number}</b><span title="{name}">{name}</span>\
<button type="button" class="pictures-remove" data-do="remove" title="Remove" \
aria-label="Remove {called}">{CROSS}</button></div>
<div class="pictures-checks" id="pictures-checks-{number}">{_checks(findings)}</div>
<input type="text" class="field pictures-caption" list="pictures-places" \
value="{escape(picture.caption or "")}" placeholder="{CAPTION_HINT}" title="{CAPTION_HINT}" \
aria-label="Caption of {called}" aria-describedby="{said}" maxlength="400" autocomplete="off"\
{' aria-invalid="true"' if error else ""}>
<div id="pictures-error-{number}">{_error(error)}</div>
</li>"""


def _stage(picture: Picture, called: str) -> str:
    """The whole picture, and over it the square that can be moved."""
    width, height, (left, top, right, _) = picture.width, picture.height, picture.crop
    side = right - left
    return f"""<div class="pictures-stage">
<div class="pictures-frame" data-width="{width}" data-height="{height}" \
data-square="{left},{top},{side}" style="{_shape(picture)}">
<img src="/studio/draft/{picture.file}?side={STAGE_SIDE}" alt="{called[0].upper()}{called[1:]}" \
draggable="false">
<div class="pictures-shade"></div>
<div class="pictures-square" role="slider" tabindex="0" aria-label="Square of {called}" \
aria-describedby="pictures-how" aria-valuemin="0" aria-valuemax="{width - side}" \
aria-valuenow="{left}" aria-valuetext="{left} from the left, {top} from the top, {side} pixels \
a side"><span class="pictures-grip"></span></div>
</div></div>"""


def _shape(picture: Picture) -> str:
    left, top, right, _ = picture.crop
    return (
        f"aspect-ratio:{picture.width}/{picture.height};"
        f"width:{min(1, picture.width / picture.height):.4%};"
        f"--left:{left / picture.width:.4%};--top:{top / picture.height:.4%};"
        f"--side:{(right - left) / picture.width:.4%}"
    )


def _checks(findings: Iterable[Finding]) -> str:
    warned = [escape(finding.text) for finding in findings if finding.severity == "warn"]
    noted = [escape(finding.text) for finding in findings if finding.severity == "info"]
    parts = [f'<p class="note"><b>Check:</b> {"; ".join(warned)}</p>'] if warned else []
    parts += [f'<p class="muted">{"; ".join(noted)}</p>'] if noted else []
    return "".join(parts) or '<p class="muted">ok</p>'


def _left_out(findings: Iterable[Finding]) -> str:
    lines = "".join(
        f'<li data-picture="{escape(finding.picture or "")}"><p class="note"><b>Check:</b> '
        f"<b>{escape(finding.picture or '')}</b> {escape(finding.text)}</p>"
        '<button type="button" class="button quiet" data-do="remove" '
        f'aria-label="Dismiss: {escape(finding.picture or "")}">Dismiss</button></li>'
        for finding in findings
    )
    return lines and f'<ul class="pictures-left-out" aria-label="Left out">{lines}</ul>'


def _error(sentence: str) -> str:
    return sentence and f'<p class="error" role="alert">{escape(sentence)}</p>'
