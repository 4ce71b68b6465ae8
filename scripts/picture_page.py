"""Take the pictures of the page that the README shows: `python scripts/picture_page.py`.

A studio with an empty home is served, driven in Chromium and looked at: nothing is trained.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from playwright.sync_api import Page

from benchmarks.browser import REPOSITORY, Served, chromium

FOLDER = REPOSITORY / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 900
CLASSES_HEIGHT = 1800  # verdicts, bars and the confusion matrix
COMPARE_HEIGHT = 1500  # of the Compare tab: verdicts and four rows of pictures


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as home,
        Served(Path(home)) as studio,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(f"{studio.url}/?comparison=example")
        page.wait_for_selector("#board-matrix img[data-column=so]")
        take(page, "compare", COMPARE_HEIGHT)
        page.goto(f"{studio.url}/?comparison=example-classes")
        page.wait_for_selector("#board-matrix .confusion:not([hidden])")
        take(page, "classes", CLASSES_HEIGHT)
        page.goto(f"{studio.url}/?tab=pictures")
        page.click("[data-do=example][data-name=owl]")
        page.wait_for_selector("[data-picture] >> nth=4")
        take(page, "pictures")
        page.click("#board-pictures [data-do=next]")
        page.wait_for_selector("#methods-stop:visible")
        take(page, "methods")


def take(page: Page, name: str, height: int | None = None) -> None:
    """The page from its top, as it looks when nothing moves any more."""
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(500)
    content = page.evaluate("document.querySelector('.gradio-container').scrollHeight - 72")
    page.set_viewport_size({"width": WIDTH, "height": min(height or content, content)})
    page.screenshot(path=FOLDER / f"{name}.png")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


if __name__ == "__main__":
    main()
