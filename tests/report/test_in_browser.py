"""The report in a real browser: steps, seeds and the held base, without a complaint."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page

from benchmarks.browser import chromium
from sparse_peft import compare
from tests.fake_outcome import Maker

pytestmark = pytest.mark.browser

STEP = "(v) => {const s = document.querySelector('#step'); s.value = v;" \
       " s.dispatchEvent(new Event('input', {bubbles: true}))}"  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """LoRA finished, WaveFT interrupted with pictures of 50 and 100, SO waiting; a prompt later."""
    root = tmp_path_factory.mktemp("report")
    (root / "runs").mkdir()
    maker = Maker(root / "runs", prompts=2)
    outcome = maker.comparison(methods=("lora",))
    others = (maker.unfinished("waveft"), maker.queued("so"))
    drawn = {"drawn1": maker.drawn("drawn1", ("lora",), "a photo of sks dog in a boat", 7)}
    runs = (*outcome.runs, *others)
    compare.write(root / "out", replace(outcome, runs=runs, drawn=drawn))
    complaints: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda asked: asked.url.startswith("http") and complaints.append(asked.url)
        )
        page.goto((root / "out" / "index.html").as_uri())
        yield page
        assert complaints == []


def shown(page: Page, method: str) -> str | None:
    return page.locator(f"img[data-column={method}]").first.get_attribute("alt")


def test_at_first_each_column_shows_its_newest(report: Page) -> None:
    assert str(shown(report, "lora")).endswith("in the snow, step 200, seed 0")
    assert str(shown(report, "waveft")).endswith("in the snow, step 100, seed 0")
    late = report.locator(".cell", has=report.locator("img[data-column=waveft]")).first
    assert late.get_attribute("data-late") == "step 100"
    assert report.locator(".cell.empty").first.inner_text().startswith("step 50")


def test_the_slider_moves_all_columns(report: Page) -> None:
    report.evaluate(STEP, 1)
    assert [str(shown(report, name))[-15:] for name in ("lora", "waveft")] == [
        "step 50, seed 0"
    ] * 2
    report.evaluate(STEP, 4)


def test_a_seed_without_pictures_on_the_way_goes_to_the_end(report: Page) -> None:
    report.evaluate(STEP, 1)
    report.check("input[name=seed][value='2']", force=True)
    assert report.locator("#at").inner_text() == "200"
    assert str(shown(report, "lora")).endswith("step 200, seed 2")
    report.check("input[name=seed][value='0']", force=True)


def test_while_b_is_held_all_cells_show_the_base_and_then_no_more(report: Page) -> None:
    image, base = (report.locator(f"img[data-column={name}]").first for name in ("waveft", "base"))
    before = image.get_attribute("src")
    report.focus(".matrix")
    report.keyboard.down("b")
    assert image.get_attribute("src") == base.get_attribute("src") != before
    report.keyboard.up("b")
    assert image.get_attribute("src") == before


def test_nothing_scrolls_sideways_on_a_phone(report: Page) -> None:
    assert report.evaluate("document.documentElement.scrollWidth") == 390


def test_a_prompt_drawn_later_has_the_last_step_and_the_base(report: Page) -> None:
    row = "img[data-prompt=own-drawn1][data-column={}]"
    lora, base = (report.locator(row.format(name)) for name in ("lora", "base"))
    drawn, untouched = lora.get_attribute("src"), base.get_attribute("src")
    assert drawn != untouched
    assert str(lora.get_attribute("alt")).endswith("in a boat, last step, seed 7")
    report.evaluate(STEP, 1)  # there are no pictures of it from the way
    assert lora.get_attribute("src") == drawn
    report.evaluate(STEP, 0)
    assert lora.get_attribute("src") == untouched
    report.evaluate(STEP, 4)
    report.check("input[name=seed][value='2']", force=True)
    assert lora.get_attribute("src") == drawn
    report.check("input[name=seed][value='0']", force=True)
    report.focus(".matrix")
    report.keyboard.down("b")
    assert lora.get_attribute("src") == untouched
    report.keyboard.up("b")
    assert lora.get_attribute("src") == drawn
