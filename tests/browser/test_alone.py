"""The page without a mouse, and the page in a world of bad connections."""

import pytest
from playwright.sync_api import Page, expect

from benchmarks.browser import Served
from sparse_peft.runs.store import Store
from tests.browser import steps
from tests.browser.conftest import Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MOST_TABS = 200
CUT = ("net::ERR_", "Failed to fetch")


def go_to(page: Page, selector: str) -> None:
    """Tab on until the focus is there: by keyboard alone, as it can be reached."""
    wanted = page.locator(selector).first
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab")


def test_a_comparison_by_keyboard_alone(person: Person, studio: Served) -> None:
    page = person.visit()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    go_to(page, "[data-do=example][data-name=cup]")
    page.keyboard.press("Enter")
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    go_to(page, "[data-do=next]")
    page.keyboard.press("Enter")
    expect(page.locator("#methods-stop")).to_be_visible()
    go_to(page, "#methods-stop")
    before = page.locator("#methods-stop").get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#methods-stop")).not_to_have_attribute("aria-valuetext", str(before))
    go_to(page, "[data-do=start]")
    page.keyboard.press("Enter")
    expect(page.locator("#board-strip")).to_contain_text("SO")
    go_to(page, "#board-strip button:text-is('Stop')")
    page.keyboard.press("Enter")
    go_to(page, "#board-strip button:has-text('Stop and discard')")
    page.keyboard.press("Enter")
    expect(page.locator("#board-strip .strip-line")).to_have_count(0)
    with Store(studio.home) as store:
        assert {row.state for row in store.runs()} == {"cancelled"}


def test_the_matrix_by_keyboard(person: Person) -> None:
    page = person.visit("/?comparison=example")
    expect(page.locator("#board-matrix img[data-column=base]").first).to_be_visible()
    go_to(page, "#board-matrix .matrix .cell[tabindex='0']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    drawer = page.locator("dialog[open]")
    expect(drawer).to_contain_text("your cat on the beach")
    expect(drawer).to_contain_text("SO")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#board-matrix .matrix .cell[tabindex='0']")).to_be_focused()
    picture = page.locator("#board-matrix img[data-column=so]").first
    last = picture.get_attribute("src")
    page.keyboard.press(",")
    expect(picture).not_to_have_attribute("src", str(last))
    page.keyboard.press(".")
    expect(picture).to_have_attribute("src", str(last))
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("Enter")


def test_a_lost_connection_loses_nothing(person: Person) -> None:
    page = person.visit()
    page.click("#board-pictures [data-do=example][data-name=cat]")
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    steps.call_it(page, "cat")
    person.context.set_offline(True)
    expect(page.locator("#studio-line")).to_contain_text("Connection lost.")
    person.context.set_offline(False)
    expect(page.locator("#studio-line")).to_contain_text("Back. Nothing was lost.")
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    expect(page.locator("#pictures-noun")).to_have_value("cat")
    steps.to_methods(page)
    person.forgive(*CUT)


def test_eight_tabs_load(person: Person) -> None:
    person.visit()
    for _ in range(7):
        page = person.tab()
        page.goto(person.url)
        expect(page.locator("#board-pictures section").first).to_be_visible()
