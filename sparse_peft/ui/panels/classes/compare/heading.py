"""What the numbers of a few-shot comparison say, with caveats, and the person's classes."""

from html import escape

from sparse_peft.report.classes import verdicts, words
from sparse_peft.report.classes.caveats import caveats
from sparse_peft.report.classes.lines import many
from sparse_peft.ui.classes.compare.pictures import first_pictures
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.buttons import button
from sparse_peft.ui.panels.heading.said import groups, sentences
from sparse_peft.ui.panels.opened import Opened

SOON = (
    "{} comes first, then each method fills in below as it trains. What the numbers say "
    "stands here as soon as a method has finished."
)
QUESTION = "What the test pictures say"
TRAIN_AGAIN = "Train on 3 draws"
CLASSES_SHOWN = 12


def body(desk: Desk, found: Opened) -> str:
    """Sentences on the left, the classes on the right."""
    return f"{_verdicts(found)}{_classes(desk, found)}"


def _verdicts(found: Opened) -> str:
    comparison = found.comparison
    names = {row["method"]: row["label"] for row in comparison["runs"]}
    if many(comparison):
        return _gathered(found, names)
    against = {
        name: lines
        for name in words.beside(comparison)
        if (lines := words.verdicts(comparison, name))
    }
    if against:
        return sentences(QUESTION, names, against, comparison["reference"], _caveats(found))
    return _nothing_yet(found)


def _gathered(found: Opened, names: dict[str, str]) -> str:
    """Of many rows: a few lines beside each reference, and all pairs to open."""
    comparison, best = found.comparison, verdicts.furthest(found.comparison)
    shown = dict.fromkeys([*words.beside(comparison), *([best] if best else [])])
    against = {name: said for name in shown if (said := verdicts.gathered_beside(comparison, name))}
    if not against:
        return _nothing_yet(found)
    below = f"{verdicts.pair_tables(comparison)}{_caveats(found)}"
    return groups(QUESTION, names, against, comparison["reference"], below)


def _nothing_yet(found: Opened) -> str:
    first = words.REFERENCES[found.comparison["reference"]]
    soon = SOON.format(first[:1].upper() + first[1:])
    said = f'<p class="muted">{soon}</p>' if found.at_work else _caveats(found)
    return f'<div class="heading-verdicts">{said}</div>'


def _caveats(found: Opened) -> str:
    lines = []
    for line in caveats(found.comparison):
        text, offer, price = line.removesuffix(".").partition(TRAIN_AGAIN)
        if offer and found.alone and not found.at_work:
            ask = {"do": "more_seeds", "comparison": found.id}
            again = button(f"{offer}{price}", ask, " heading-inline")
            lines.append(f"<p>{escape(text)}{again}</p>")
        else:
            lines.append(f"<p>{escape(line)}</p>")
    return f'<div class="small">{"".join(lines)}</div>'


def _classes(desk: Desk, found: Opened) -> str:
    """The first of them with a picture each; the others counted."""
    if not found.alone:
        return ""
    dataset = str(found.comparison["dataset"]["id"])
    shown = [
        (name, address)
        for name, address in first_pictures(desk, found.id, dataset, CLASSES_SHOWN)
        if address
    ]
    if not shown:
        return ""
    figures = "".join(
        f'<figure><img src="{escape(address)}" alt="" loading="lazy"><figcaption>{escape(name)}'
        "</figcaption></figure>"
        for name, address in shown
    )
    everything = [*found.comparison["classes"], *found.comparison["new_classes"]]
    rest = len(everything) - len(shown)
    more = f'<p class="small">and {rest} more</p>' if rest > 0 else ""
    return (
        f'<div class="heading-subject"><h2>Your classes</h2><div class="classes-strip">{figures}'
        f"</div>{more}</div>"
    )
