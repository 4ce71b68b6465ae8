"""A studio of its own for each test, one browser for all, and persons who complain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from benchmarks.browser import Served, chromium

PATIENCE_MS = 180_000  # far more than is needed: a loaded machine must not fail a test
expect.set_options(timeout=PATIENCE_MS)


class Person:
    """Someone with a browser profile of their own; whatever their pages complain of is kept."""

    def __init__(self, browser: Browser, url: str, **profile: Any) -> None:
        given: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
        self.url = url
        self.context: BrowserContext = browser.new_context(**given | profile)
        self.context.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """A further tab of the same profile."""
        page = self.context.new_page()
        page.on("console", lambda m: self._say(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._say(str(error)))
        page.on("request", lambda r: None if self._ours(r.url) else self._say(f"asked {r.url}"))
        page.on("response", lambda r: self._say(f"{r.status} {r.url}") if r.status >= 500 else None)
        return page

    def _ours(self, url: str) -> bool:
        return url.startswith((self.url, "data:", "blob:", "file:"))

    def _say(self, text: str) -> None:
        self.complaints.append(text)

    def visit(self, path: str = "/") -> Page:
        """Load the page and wait until its boards are drawn."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("#board-header header")
        first = "#board-pictures section, #board-classes section"  # one subject, or classes
        self.page.wait_for_selector(first, state="attached")
        return self.page

    def forgive(self, *reasons: str) -> None:
        """Take back complaints that a cut connection must lead to."""
        self.complaints = [c for c in self.complaints if not any(r in c for r in reasons)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path / "home") as served:
        yield served


@pytest.fixture
def person(browser: Browser, studio: Served) -> Iterator[Person]:
    someone = Person(browser, studio.url)
    yield someone
    someone.context.close()
    assert someone.complaints == []
