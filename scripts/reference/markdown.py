"""Docstrings of this project as Markdown."""

import inspect
import re
from collections import Counter

from reference.entries import Entry, Part
from reference.inherited import inherited_fields

HEADING = re.compile(r"(Args|Returns|Yields|Raises|Source|Example):\s*(.*)")
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


class Anchors:
    """The anchors that GitHub will give the headings of a page."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def link(self, heading: str) -> str:
        """A link to the next heading."""
        return f"[{heading}](#{self.taken(heading)})"

    def taken(self, heading: str) -> str:
        """The anchor of the next heading."""
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = self._seen[slug]
        self._seen[slug] += 1
        return f"{slug}-{number}" if number else slug


def entry_text(entry: Entry, level: int, heading: str | None = None) -> str:
    """A heading, the signature, the docstring, and the members of a class."""
    parts = [
        f"{'#' * level} {heading or entry.name}\n",
        f"```python\n{entry.signature}\n```\n",
        prose(entry.doc) + "\n",
    ]
    own = {part.signature.partition(":")[0] for part in entry.fields()}
    for base in entry.inherited():
        more = [f"`{text}`" for name, text in inherited_fields(base) if name not in own]
        listed = f": {', '.join(more)}" if more else ""
        parts.append(f"Takes what `{base}` takes, too{listed}.\n")
    members = [_field(part) for part in [*entry.fields(), *entry.attributes()] if part.doc]
    members += [_method(part) for part in entry.methods() if part.doc]
    if members:
        parts.append("\n".join(members) + "\n")
    return "\n".join(parts)


def link(path: str) -> str:
    """A file of the repository, as the pages in docs/ reach it."""
    return f"[{path}](../{path})"


def _field(part: Part) -> str:
    return f"- `{part.signature}`: {inline(part.doc)}"


def _method(part: Part) -> str:
    signature = re.sub(r"\(\n\s+", "(", part.signature)
    signature = re.sub(r",\n\)", ")", signature)
    signature = re.sub(r"\n\s*", " ", signature)
    doc = prose(part.doc).replace("\n", "\n  ")
    return f"- `{signature}`\\\n  " + re.sub(r"[ ]+$", "", doc, flags=re.M)


def prose(doc: str) -> str:
    """A docstring: paragraphs and code as they are, its sections as lists and bold words."""
    blocks: list[str] = []
    lines = inspect.cleandoc(doc).splitlines()
    while lines:
        if not lines[0].strip():
            lines.pop(0)
        elif match := HEADING.fullmatch(lines[0]):
            lines.pop(0)
            blocks.append(_section(match[1], match[2], _indented(lines)))
        elif lines[0].startswith("    "):
            code = "\n".join(line[4:] for line in _indented(lines))
            blocks.append(f"```python\n{code}\n```")
        else:
            blocks.append(_paragraph(lines))
    return "\n\n".join(blocks)


def _indented(lines: list[str]) -> list[str]:
    """Take the indented lines from the front, blank ones between them too."""
    taken: list[str] = []
    while lines and (lines[0].startswith("    ") or not lines[0].strip()):
        taken.append(lines.pop(0))
    while taken and not taken[-1].strip():
        taken.pop()
    return taken


def _paragraph(lines: list[str]) -> str:
    taken: list[str] = []
    while lines and lines[0].strip() and not HEADING.fullmatch(lines[0]):
        if taken and lines[0].startswith("    "):
            break
        taken.append(lines.pop(0))
    return inline("\n".join(taken))


def _section(title: str, rest: str, lines: list[str]) -> str:
    text = [line.strip() for line in lines if line.strip()]
    if title in ("Args", "Raises"):
        items = _items(lines)
        if title == "Raises":
            return "\n\n".join(f"**Raises** `{name}`: {inline(told)}" for name, told in items)
        return "\n".join(f"- `{name}`: {inline(told)}" for name, told in items)
    return f"**{title}** " + inline(" ".join([rest, *text]).strip())


def _items(lines: list[str]) -> list[tuple[str, str]]:
    """`name: text`, whose text goes on where a line is indented deeper."""
    joined: list[str] = []
    for line in lines:
        if line.startswith("     ") and joined:
            joined[-1] += " " + line.strip()
        elif line.strip():
            joined.append(line.strip())
    pairs = [item.partition(":") for item in joined]
    return [(name, told.strip()) for name, _, told in pairs]


def inline(text: str) -> str:
    """Text in which only what stands between backticks is code, and papers are links."""
    pieces = text.split("`")
    for number in range(0, len(pieces), 2):
        plain = re.sub(r"([*<])", r"\\\1", pieces[number])
        plain = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", plain)
        pieces[number] = ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", plain)
    return "`".join(pieces)
