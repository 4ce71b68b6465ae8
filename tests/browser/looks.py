"""What every part of the page owes everyone, as a test asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from benchmarks.browser import Served
from tests.browser.conftest import Person

SERIOUS = ("serious", "critical")
THUMB = 44  # px


def problems(page: Page) -> list[str]:
    """What keeps somebody from reading or using it."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def fits(page: Page) -> bool:
    """Nothing scrolls sideways."""
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width <= 0


def too_small(page: Page, what: str) -> list[str]:
    """What can be seen of these and a thumb would miss."""
    found: list[str] = page.evaluate(
        "([what, least]) => [...document.querySelectorAll(what)]"
        ".filter(node => node.checkVisibility())"
        ".map(node => [node, node.getBoundingClientRect()])"
        ".filter(([node, box]) => box.height && Math.min(box.height, box.width) < least)"
        ".map(([node]) => node.outerHTML.slice(0, 120))",
        [what, THUMB - 0.5],
    )
    return found


@contextmanager
def looking(browser: Browser, studio: Served, width: int, scheme: str) -> Iterator[Person]:
    """Someone at a desk or with a phone, who complains of nothing."""
    someone = Person(
        browser, studio.url, viewport={"width": width, "height": 844}, color_scheme=scheme,
        has_touch=width == 390, reduced_motion="reduce",
    )  # fmt: skip
    yield someone
    someone.context.close()
    assert someone.complaints == []
