"""Reports of thirteen methods in a real browser: they fit, and the line of names leaves out."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from benchmarks.browser import chromium
from sparse_peft import compare
from tests import fake_classes, fake_outcome

pytestmark = pytest.mark.browser
THUMB = 44  # px
TOUCHED = ".legend label, .legend select, .legend button, summary, .choice label"
SMALL = (
    "([what, least]) => [...document.querySelectorAll(what)].filter(node => node.checkVisibility())"
    ".map(node => [node.outerHTML.slice(0, 120), node.getBoundingClientRect()])"
    ".filter(([, box]) => box.height < least - 0.5).map(([html]) => html)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of a subject, one of classes."""
    root = tmp_path_factory.mktemp("many")
    (root / "runs").mkdir()
    maker = fake_outcome.Maker(root / "runs", prompts=2)
    compare.write(root / "subject", maker.comparison(methods=tuple(fake_outcome.EVERY)))
    classes = fake_classes.Maker(root / "class_runs", classes=6, each=8, shots=2, seeds=(1, 2))
    compare.write(root / "classes", classes.comparison(methods=tuple(fake_classes.EVERY)))
    return {name: root / name / "index.html" for name in ("subject", "classes")}


@pytest.fixture(params=[1280, 390])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(params=["subject", "classes"])
def report(
    browser: Browser, reports: dict[str, Path], width: int, request: pytest.FixtureRequest
) -> Iterator[Page]:
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 844}, has_touch=width == 390, color_scheme="dark"
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(reports[request.param].as_uri())
    yield page
    context.close()
    assert complaints == []


def visible(parts: Locator) -> int:
    return sum(part.is_visible() for part in parts.all())


def test_thirteen_methods_fit_and_can_be_touched_and_read(report: Page, width: int) -> None:
    for summary in report.locator("details > summary").all():
        summary.click()
    assert report.evaluate("document.documentElement.scrollWidth") == width
    assert report.evaluate(SMALL, [TOUCHED, THUMB]) == []
    found = Axe().run(report).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in serious] == []


def test_a_box_leaves_its_method_out_everywhere(report: Page) -> None:
    parts = report.locator("[data-method=vera]")
    assert visible(parts) > 0
    report.locator(".legend input[value=vera]").uncheck()
    assert visible(parts) == 0
    assert visible(report.locator("[data-method=loha]")) > 0
    report.locator(".legend-all").click()
    assert visible(parts) > 0
    assert report.locator(".legend-all").is_hidden()


def test_the_menu_puts_rows_and_columns_in_order(report: Page) -> None:
    data = report.evaluate("JSON.parse(document.getElementById('data').textContent).orders")
    chosen = "subject" if "subject" in data else "accuracy"
    report.locator("[data-view=order]").select_option(chosen)
    rows = report.locator("table.metrics tbody tr").all()
    assert [row.get_attribute("data-method") for row in rows] == data[chosen]
    columns = ".row.heads [data-method]" if chosen == "subject" else "table.by-class thead th + th"
    order = [head.get_attribute("data-method") for head in report.locator(columns).all()]
    assert order == data[chosen]


def test_a_method_that_is_pointed_at_comes_forward(report: Page) -> None:
    report.keyboard.press("Tab")  # names are reached by keys too
    report.locator(".legend input[value=oft]").focus()
    charts = report.locator("svg.chart.tracing")
    assert charts.count() > 0
    forward = charts.first.locator(".traced")
    assert forward.count() > 0
    assert {part.get_attribute("data-method") for part in forward.all()} == {"oft"}
    report.locator("h1").click()
    assert report.locator("svg.chart.tracing").count() == 0


def test_fewer_columns_make_larger_pictures(browser: Browser, reports: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 844})
    page.goto(reports["subject"].as_uri())
    picture = page.locator("img[data-column=base]").first
    small = picture.bounding_box()
    for method in list(fake_outcome.EVERY)[3:]:
        page.locator(f".legend input[value={method}]").uncheck()
    large = picture.bounding_box()
    assert small is not None
    assert large is not None
    assert small["width"] >= 56
    assert large["width"] >= 180
    page.close()


def test_on_less_room_the_matrix_scrolls_in_its_own_box_beside_the_base(
    browser: Browser, reports: dict[str, Path]
) -> None:
    page = browser.new_page(viewport={"width": 800, "height": 844})
    page.goto(reports["subject"].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 800
    box, base = page.locator(".matrix"), page.locator(".row:not(.heads) [data-method=base]").first
    assert box.evaluate("node => node.scrollWidth > node.clientWidth")
    before = base.bounding_box()
    box.evaluate("node => node.scrollTo(300, 0)")
    after = base.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["x"] - before["x"]) <= 2
    page.close()


def test_an_edge_that_cuts_a_table_has_a_shadow_until_its_end(
    browser: Browser, reports: dict[str, Path]
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(reports["subject"].as_uri())
    table = page.locator(".scrolls:has(table.metrics)")
    table.locator("table").evaluate("node => node.style.visibility = 'hidden'")
    inside, at_edge = _edge(table, 60), _edge(table, 4)
    assert at_edge < inside - 30
    table.evaluate("node => node.scrollTo(node.scrollWidth, 0)")
    assert abs(_edge(table, 4) - inside) <= 3
    page.close()


def _edge(box: Locator, inwards: int) -> int:
    """How light the picture of a box is, so many pixels from its right edge."""
    with Image.open(io.BytesIO(box.screenshot())) as picture:
        grey = picture.convert("L")
        value = grey.getpixel((grey.width - inwards, grey.height // 2))
    assert isinstance(value, int)
    return value
