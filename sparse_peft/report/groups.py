"""What the pairs of many methods say: gathered by how clear it is, and all of them as a table."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from sparse_peft.report.marks import Identity, mark_svg

WORDS = ("Clear", "Leaning", "Cannot tell")
TOLD_BY = "Bold: Clear. Plain: Leaning. Grey: cannot tell."

Pair = Mapping[str, Any]


class Side(NamedTuple):
    """A method as a page names it."""

    method: str
    label: str
    look: Identity


class Told(NamedTuple):
    """One method beside the reference: what is said of the pair, and how clear it is."""

    side: Side
    said: str
    word: str
    ahead: bool
    """whether the method is the better of the two"""


class Lead(NamedTuple):
    """How lines begin, the better side always first."""

    ahead: str
    """before methods that are better than the reference"""
    behind: str
    """before methods that the reference is better than"""
    alike: str
    """before those of which the pictures do not say"""


def gathered(told: Sequence[Told], lead: Lead) -> str:
    """At most five lines for any number of methods, the clear ones first."""
    found = []
    for word in WORDS:
        mine = [one for one in told if one.word == word]
        sides = [[one for one in mine if one.ahead], [one for one in mine if not one.ahead]]
        starts = [lead.ahead, lead.behind]
        if word == WORDS[-1]:
            sides, starts = [mine], [lead.alike]
        lines = "".join(
            _line(start, side, counted=word != WORDS[-1])
            for start, side in zip(starts, sides, strict=True)
            if side
        )
        found.append(f"<dt>{word}</dt><dd>{lines}</dd>" if lines else "")
    return f'<dl class="groups">{"".join(found)}</dl>'


def _line(start: str, side: Sequence[Told], *, counted: bool) -> str:
    names = "".join(
        f'<span data-trace="{escape(one.side.method)}">{mark_svg(one.side.look)} '
        f"<b>{escape(one.side.label)}</b>"
        + (f" <small>{escape(one.said)}</small>" if counted else "")
        + "</span>"
        for one in side
    )
    return f"<p>{escape(start)} {names}</p>"


def pair_table(
    title: str,
    sides: Sequence[Side],
    pairs: Sequence[Pair],
    cell: Callable[[Pair], tuple[str, str]],
    caption: str,
) -> str:
    """Every row against every column, in a box of its own that scrolls.

    Args:
        cell: gives the text of a square, and the whole sentence for its tooltip.
    """
    told = {(pair["a"], pair["b"]): pair for pair in pairs}
    rows = [side for side in sides if any(a == side.method for a, _ in told)]
    heads = "".join(
        f'<th scope="col" data-method="{escape(side.method)}"><span>'
        f"{escape(side.label)}</span>{mark_svg(side.look)}</th>"
        for side in sides
    )
    lines = "".join(
        f'<tr data-method="{escape(row.method)}"><th scope="row">{mark_svg(row.look)} '
        f"{escape(row.label)}</th>"
        + "".join(_square(told.get((row.method, side.method)), side, cell) for side in sides)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scrolls" role="region" aria-label="{escape(title)}" tabindex="0">'
        f'<table class="pairs"><caption>{escape(caption)} {TOLD_BY}</caption>'
        f"<thead><tr><th>{escape(title)}</th>{heads}</tr></thead><tbody>{lines}</tbody></table>"
        "</div>"
    )


def _square(pair: Pair | None, side: Side, cell: Callable[[Pair], tuple[str, str]]) -> str:
    method = f' data-method="{escape(side.method)}"'
    if pair is None:
        return f"<td{method}></td>"
    text, sentence = cell(pair)
    name = pair["word"].split()[0].lower()
    return f'<td{method} class="{name}" title="{escape(sentence)}">{escape(text)}</td>'
