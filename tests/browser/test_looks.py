"""What every part of the page owes everyone: it fits, it is readable, and it calls nobody."""

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.browser import Served
from tests.browser import steps
from tests.browser.conftest import Person
from tests.browser.looks import fits, looking, problems, too_small

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_part_fits_and_can_be_read(
    browser: Browser, studio: Served, width: int, scheme: str
) -> None:
    with looking(browser, studio, width, scheme) as someone:
        page = someone.visit()
        seen = {"empty": problems(page)}
        assert fits(page)
        page.click("#board-pictures [data-do=example][data-name=bug]")
        expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
        seen["pictures"] = problems(page)
        assert fits(page)
        steps.to_methods(page)
        page.click("#board-methods summary:has-text('More settings')")
        seen["methods"] = problems(page)
        assert fits(page)
        steps.tab(page, 3)
        expect(page.locator("#board-heading")).to_contain_text("Nothing to compare yet.")
        seen["nothing yet"] = problems(page)
        page.goto(f"{studio.url}/?comparison=example")
        expect(page.locator("#board-matrix img[data-column=base]").first).to_be_visible()
        seen["example"] = problems(page)
        assert fits(page)
        for image in page.locator("#board-matrix img[data-column]").all():
            assert (image.get_attribute("alt") or "").count(
                ","
            ) == 2  # what, which step, which seed
        if width == 390:
            page.click("#board-header .header-menu")
        page.click("#board-header button:has-text('History')")
        expect(page.locator("dialog[open] .history-row")).to_have_count(2)  # the examples
        seen["history"] = problems(page)
        assert fits(page)
        assert {part: found for part, found in seen.items() if found} == {}


def test_what_a_thumb_must_hit_is_large_enough(browser: Browser, studio: Served) -> None:
    someone = Person(browser, studio.url, viewport={"width": 390, "height": 844}, has_touch=True)
    page = someone.visit("/?comparison=example")
    expect(page.locator("#board-matrix img[data-column=base]").first).to_be_visible()
    for number in (1, 2, 3):
        steps.tab(page, number)
        assert too_small(page, ".studio .button, #steps [role=tab]") == []
    someone.context.close()
