"""A board's HTML as a browser and as a person read it."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from sparse_peft.ui.desk.desk import Desk

EMPTY = {"area", "br", "circle", "hr", "img", "input", "path", "polygon"}


class Checked(HTMLParser):
    """Fails where a tag is left open; knows all ids, buttons and what refers to what."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def refer(self, name: str) -> set[str]:
        """What attributes of this name refer to."""
        return {found for _, attrs in self.tags if (found := attrs.get(name))}


def words(html: str) -> str:
    """The text as a person reads it."""
    text = re.sub(r"<(svg|style).*?</\1>", "", html, flags=re.S)
    return " ".join(
        unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?=<(li|p|button|div|h\d))", " ", text))).split()
    )


def drawn(panel: Any, desk: Desk, **view: str) -> str:
    html = panel.render(Desk(desk.studio, desk.owner, desk.open, view), {})["html"]
    Checked(html)
    return str(html)
