"""What the pairs of a comparison say, against whichever row a person chooses."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

FEW_LINES = 8
WORDS = ("Clear.", "Leaning.", "Cannot tell them apart.")

MORE = """
<button type="button" class="button quiet heading-more" data-view="more"
aria-expanded="false">more</button>
"""

Said = Sequence[tuple[str, str]]
"""Sentences, each with its word."""


def sentences(
    question: str, names: Mapping[str, str], against: Mapping[str, Said], chosen: str, below: str
) -> str:
    """The sentences against each reference, those against the chosen one in view.

    Args:
        names: what each reference is called.
        against: sentences by reference; it is not empty.
        chosen: the reference that is taken first, if anything was said against it.
        below: HTML that stands under them.
    """
    first = _first(against, chosen)
    lists = "".join(_list(name, lines, name == first) for name, lines in against.items())
    return _question(question, names, list(against), first, f"{lists}{MORE}{below}")


def groups(
    question: str, names: Mapping[str, str], against: Mapping[str, str], chosen: str, below: str
) -> str:
    """The same of many methods, gathered.

    Args:
        against: HTML by reference.
    """
    first = _first(against, chosen)
    lists = "".join(
        f'<div class="said heading-groups" data-reference="{escape(name)}"'
        f"{'' if name == first else ' hidden'}>{html}</div>"
        for name, html in against.items()
    )
    return _question(question, names, list(against), first, f"{lists}{MORE}{below}")


def _first(against: Mapping[str, Any], chosen: str) -> str:
    return chosen if chosen in against else next(iter(against))


def _question(
    question: str, names: Mapping[str, str], references: Sequence[str], first: str, below: str
) -> str:
    options = "".join(
        f'<option value="{escape(name)}"{" selected" if name == first else ""}>'
        f"{escape(names[name])}</option>"
        for name in references
    )
    return f"""<div class="heading-verdicts"><div class="heading-question">
<h2>{escape(question)}</h2><label>compared with
<select class="field" data-view="reference">{options}</select></label></div>{below}</div>"""


def _list(reference: str, lines: Said, shown: bool) -> str:
    """All lines; where they are many the decided ones come first, and some fold away."""
    many = len(lines) > FEW_LINES
    if many:
        lines = sorted(lines, key=lambda line: WORDS.index(line[1]))
    items = "".join(f"<li>{escape(text)} <b>{escape(word)}</b></li>" for text, word in lines)
    return (
        f'<ul class="said{" heading-many" if many else ""}" data-reference="{escape(reference)}"'
        f"{'' if shown else ' hidden'}>{items}</ul>"
    )
