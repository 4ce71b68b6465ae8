"""The methods beyond the first few: behind one line that names them, family by family."""

from collections.abc import Callable, Sequence
from html import escape

from sparse_peft.methods import all_methods
from sparse_peft.report.marks import identities, mark_svg
from sparse_peft.ui.estimates.chosen import Chosen

HEADINGS = {  # what the members of a family have in common
    "lora": "Thin matrices, as in LoRA",
    "waveft": "Frequencies, as in WaveFT",
    "so": "The backbone's own weights in turn, as in SO",
    "snell": "Every weight from few numbers, as in SNELL",
    "shira": "A small set of weights, chosen once",
    "full": "The other end of the scale",
}
WIDE, HALF = 4, 2  # cards side by side, on a desk and on less


def folded(chosen: Chosen, names: Sequence[str], drawn: Callable[[Sequence[str]], str]) -> str:
    """The cards by family; open at first where one of them is ticked.

    Args:
        drawn: gives the cards of some methods.
    """
    ticked = sum(name in chosen.draft.methods for name in names)
    held = " open data-held" if ticked else ""
    said = f' <span class="muted">{ticked} ticked</span>' if ticked else ""
    groups = "".join(
        f'<section style="--wide:{min(len(members), WIDE)};--half:{min(len(members), HALF)}">'
        f'<h3 class="methods-family">{HEADINGS[family]}</h3>{drawn(members)}</section>'
        for family, members in _families(names).items()
    )
    return f"""<details class="methods-rest" data-keep="rest"{held}><summary>\
<span><b>More methods ({len(names)})</b>{said}</span>\
<span class="methods-names">{_named(names)}</span></summary>
<div class="methods-families">{groups}</div></details>"""


def _families(names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(all_methods()[name].family, []).append(name)
    return found


def _named(names: Sequence[str]) -> str:
    kinds = all_methods()
    looks = identities((name, kinds[name].family) for name in names)
    return "".join(
        f"<span>{mark_svg(looks[name])} {escape(kinds[name].label)}</span>" for name in names
    )
