"""Thirteen methods on the page: a picker that folds, a comparison that filters."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.browser import REPOSITORY, Served
from sparse_peft import compare
from sparse_peft.methods import all_methods
from sparse_peft.ui.panels.methods.cards import FIRST
from tests.browser import steps
from tests.browser.conftest import Person
from tests.browser.looks import fits, problems, too_small
from tests.fake_outcome import EVERY, Maker

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOUCHED = ".studio .button, .methods-tick, .methods-rest > summary, .legend label, .legend select"
WITH = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
    "from sparse_peft.ui.comparisons import shipped;"
    "shipped.FOLDERS[shipped.SUBJECT] = Path(sys.argv[2]);"
    "import app; sys.exit(app.main())"
)


class ServedWith(Served):
    """The studio with another finished comparison as its example."""

    def __init__(self, home: Path, example: Path) -> None:
        super().__init__(home)
        self.example = example

    def command(self) -> list[str]:
        return [sys.executable, "-c", WITH, str(REPOSITORY), str(self.example)]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("many")
    (root / "runs").mkdir()
    maker = Maker(root / "runs", prompts=2)
    compare.write(root / "example", maker.comparison(methods=tuple(EVERY)))
    with ServedWith(root / "home", root / "example") as served:
        yield served


@pytest.fixture(params=[1280, 390])
def person(browser: Browser, studio: Served, request: pytest.FixtureRequest) -> Iterator[Person]:
    someone = Person(
        browser, studio.url, viewport={"width": request.param, "height": 844},
        has_touch=request.param == 390, reduced_motion="reduce",
    )  # fmt: skip
    yield someone
    someone.context.close()
    assert someone.complaints == []


def test_the_picker_folds_what_is_beyond_the_first_and_stays_open(person: Person) -> None:
    page = person.visit()
    page.click("#board-pictures [data-do=example][data-name=bug]")
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    steps.to_methods(page)
    rest = page.locator(".methods-rest")
    others = [name for name in all_methods() if name not in FIRST]
    expect(rest.locator("summary").first).to_contain_text(f"More methods ({len(others)})")
    card = page.locator(f".methods-card[data-method={others[0]}]")
    expect(card).to_be_hidden()
    assert fits(page)
    rest.locator("summary").first.click()
    expect(card).to_be_visible()
    card.locator(".methods-tick input").check()
    expect(rest.locator("summary").first).to_contain_text("1 ticked")
    expect(card).to_be_visible()
    assert fits(page)
    assert too_small(page, TOUCHED) == []
    assert problems(page) == []
    page.reload()
    steps.tab(page, 2)
    expect(card).to_be_visible()  # what is ticked is not hidden
    card.locator(".methods-tick input").uncheck()
    expect(rest.locator("summary").first).not_to_contain_text("ticked")


def test_a_comparison_leaves_out_orders_and_comes_forward(person: Person) -> None:
    page = person.visit("/?comparison=example")
    parts = page.locator("#board-matrix .matrix [data-method=vera]")
    expect(parts.nth(1)).to_be_visible()
    assert fits(page)
    assert too_small(page, TOUCHED) == []
    assert problems(page) == []
    page.locator("#board-matrix .legend input[value=vera]").uncheck()
    for part in (parts.nth(1), page.locator("#board-numbers tr[data-method=vera]").first):
        expect(part).to_be_hidden()
    page.locator("#board-matrix [data-view=order]").select_option("family")
    heads = page.locator("#board-matrix .row.heads [data-method]")
    assert heads.nth(1).get_attribute("data-method") == "lora"
    assert heads.nth(2).get_attribute("data-method") == "adalora"
    rows = page.locator("#board-numbers table.costs tbody tr")
    assert rows.nth(1).get_attribute("data-method") == "adalora"
    page.locator("#board-matrix .legend input[value=oft]").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#board-matrix svg.chart.tracing")).to_have_count(1)
    page.locator("#board-matrix .legend-all").click()
    expect(parts.nth(1)).to_be_visible()
    if page.locator("#board-heading [data-view=reference]").is_visible():
        page.select_option("#board-heading [data-view=reference]", "full")
        expect(page.locator(".heading-groups:visible")).to_contain_text(
            "Full cannot be told apart from"
        )
    assert fits(page)
