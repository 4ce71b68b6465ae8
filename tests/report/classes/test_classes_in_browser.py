"""The few-shot report in a real browser: mistakes open their pictures, by mouse and by keys."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from benchmarks.browser import chromium
from sparse_peft import compare
from tests.fake_classes import Maker

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("report")
    maker = Maker(root / "runs", classes=10, each=20)
    compare.write(root / "out", maker.comparison())
    return (root / "out" / "index.html").as_uri()


@pytest.fixture(scope="module", params=[1280, 390])
def report(folder: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    complaints: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": request.param, "height": 900})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda asked: asked.url.startswith("http") and complaints.append(asked.url)
        )
        page.goto(folder)
        yield page
        assert complaints == []


def test_nothing_is_wider_than_the_screen(report: Page) -> None:
    assert report.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_mistake_of_the_list_opens_its_pictures(report: Page) -> None:
    button = report.locator(".confusion:not([hidden]) .worst button").first
    button.click()
    dialog = report.locator("dialog.mistake")
    assert dialog.locator("h2").inner_text() == button.inner_text()
    assert dialog.locator("img").count() > 0
    assert dialog.locator("img").first.evaluate("image => image.naturalWidth") > 0
    report.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert report.evaluate("document.activeElement.textContent") == button.inner_text()


def test_the_other_rows_have_their_own_mistakes(report: Page) -> None:
    report.locator("input[name=confusion][value=zeroshot]").check(force=True)
    assert report.locator(".confusion:not([hidden])").get_attribute("data-row") == "zeroshot"
    assert report.locator(".confusion:not([hidden])").count() == 1
    report.locator("input[name=confusion][value=lora]").check(force=True)


def test_the_matrix_is_one_stop_and_arrows_move_in_it(report: Page) -> None:
    if report.viewport_size == {"width": 390, "height": 900}:  # a phone shows the list alone
        assert report.locator(".confusion:not([hidden]) table.confused").is_hidden()
        return
    stops = report.locator(".confusion:not([hidden]) table.confused button[tabindex='0']")
    assert stops.count() == 1
    stops.focus()
    before = report.evaluate("document.activeElement.getAttribute('aria-label')")
    report.keyboard.press("ArrowDown")
    after = report.evaluate("document.activeElement.getAttribute('aria-label')")
    assert before != after
    assert stops.count() == 1
    report.keyboard.press("Enter")
    assert report.locator("dialog.mistake h2").inner_text() == after.rpartition(":")[0]
    report.locator("dialog.mistake button").click()
    assert report.evaluate("document.activeElement.getAttribute('aria-label')") == after
