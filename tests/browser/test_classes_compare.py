"""Step 3 of few-shot classes in a real browser: mistakes, a picture to try, what fills in."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.browser import Served
from sparse_peft.files import Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import RunRow, Store
from sparse_peft.ui.shell import owners
from tests.browser.conftest import Person
from tests.browser.looks import fits, looking, problems
from tests.fake_classes import shape
from tests.ui.classes.kept_classes import keep, plan_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOKEN = "ab" * 16
OWNER = owners.owner_of(TOKEN)
GUESSES = [{"class": "boat", "probability": 0.75}, {"class": "apple", "probability": 0.25}]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """A studio to which a runner seems to be there: nothing begins but what a test does."""
    with Served(home / "home") as served, Lock(runner_lock_path(served.home)):
        yield served
        with Store(served.home) as store:  # nobody ends what nobody began
            for row in store.runs():
                if row.state in ("queued", "running"):
                    store.end(row.id, "cancelled")


def someone(browser: Browser, served: Served) -> Person:
    person = Person(browser, served.url)
    known(person, served)
    return person


def known(person: Person, served: Served) -> None:
    """They come back as whom the comparisons belong to."""
    person.context.add_cookies([{"name": owners.COOKIE, "value": TOKEN, "url": served.url}])


def opened(person: Person, comparison: str) -> Page:
    page = person.visit(f"/?comparison={comparison}&tab=compare")
    expect(page.locator("#board-matrix .bars")).to_be_visible()
    return page


def runs(served: Served, kind: str) -> list[RunRow]:
    with Store(served.home) as store:
        return [row for row in store.runs() if row.kind == kind]


def first_mistake(page: Page) -> Locator:
    return page.locator("#board-matrix table.confused:visible button").first


def test_a_mistake_opens_its_pictures(browser: Browser, home: Path, served: Served) -> None:
    _, comparison = keep(home, owner=OWNER, classes=6, seeds=(1, 2))
    person = someone(browser, served)
    page = opened(person, comparison)
    mistake = first_mistake(page)
    name = str(mistake.get_attribute("aria-label"))
    mistake.click()
    drawer = page.locator("dialog.classes-drawer[open]")
    truth = name.split(" taken for ")[0]
    expect(drawer.locator("h2")).to_contain_text(f"{truth}, taken for")
    expect(drawer).to_contain_text(f"It shows: {truth}")
    for row in ("Zero-shot", "Linear probe", "LoRA", "WaveFT", "SO"):
        expect(drawer.locator("tbody th", has_text=row)).to_have_count(1)
    shown = drawer.locator(".classes-large img")
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(mistake).to_be_focused()

    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(drawer.locator("h2")).to_be_visible()
    page.keyboard.press("Escape")

    # Another row, and what was chosen stays when the board is drawn again.
    page.locator("#board-matrix label", has_text="SO").click()
    expect(page.locator(".confusion[data-row=so]")).to_be_visible()
    page.evaluate("studio.look(['matrix'])")
    page.wait_for_timeout(1000)
    expect(page.locator(".confusion[data-row=so]")).to_be_visible()
    expect(page.locator(".confusion[data-row=lora]")).to_be_hidden()
    person.context.close()
    assert person.complaints == []


def test_a_picture_is_tried(browser: Browser, home: Path, served: Served) -> None:
    _, comparison = keep(home, owner=OWNER, classes=3, methods=("lora",), seeds=(1,))
    shape(1, 1000).save(home / "mine.png")
    (home / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    person = someone(browser, served)
    page = opened(person, comparison)
    page.set_input_files("#classes-files", str(home / "broken.png"))
    expect(page.locator(".classes-refused")).to_contain_text("broken.png could not be read")
    page.set_input_files("#classes-files", str(home / "mine.png"))
    expect(page.locator(".classes-tried")).to_contain_text("Waiting ...")
    expect(page.locator(".classes-refused")).to_be_hidden()

    [row] = runs(served, "classify")
    directory = RunDirectory.of(served.home, row.id)
    [name] = directory.spec.settings["pictures"]
    results = dict.fromkeys(directory.spec.settings["classifiers"], GUESSES)
    directory.write_report({"pictures": [{"name": name, "results": results}], "seconds": 0.1})
    with Store(served.home) as store:
        store.end(row.id, "finished")
    expect(page.locator(".classes-agreed")).to_have_text("All say boat.")
    assert page.locator(".classes-guesses > div").count() == 3
    picture = page.locator(".classes-tried img").first
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    person.forgive("400")  # the broken one was refused
    person.context.close()
    assert person.complaints == []


def test_a_checkpoint_is_asked_for_and_fetched(
    browser: Browser, home: Path, served: Served
) -> None:
    _, comparison = keep(home, owner=OWNER, classes=3, methods=("lora",), seeds=(1,))
    person = someone(browser, served)
    page = opened(person, comparison)
    page.click("button:has-text('Make an ordinary open_clip checkpoint')")
    expect(page.locator(".classes-files")).to_contain_text("Waiting ...")
    [row] = runs(served, "merge")
    folder = RunDirectory.of(served.home, row.id).path / "merged"
    folder.mkdir()
    (folder / "classify_folder.py").write_text("print('owl')\n")
    with Store(served.home) as store:
        store.end(row.id, "finished")
    link = page.locator(".classes-files a:has-text('open_clip checkpoint')")
    expect(link).to_be_visible()
    with page.expect_download() as found:
        link.click()
    with zipfile.ZipFile(io.BytesIO(Path(found.value.path()).read_bytes())) as archive:
        assert archive.namelist() == ["merged/classify_folder.py"]
    with page.expect_download() as found:
        page.click("#board-numbers a:has-text('Numbers JSON')")
    assert json.loads(Path(found.value.path()).read_text())["id"] == comparison
    person.context.close()
    assert person.complaints == []


def test_accuracy_fills_in_as_it_comes(browser: Browser, home: Path, served: Served) -> None:
    desk, comparison = keep(
        home, owner=OWNER, classes=3, methods=("lora", "so"), finished=(), seeds=(1,)
    )
    person = someone(browser, served)
    page = opened(person, comparison)  # zero-shot and the linear probe stand there already
    expect(page.locator("#board-matrix")).to_contain_text("waiting")
    [run, _] = [run.run for run in plan_of(desk, comparison).runs]
    with Store(served.home) as store:
        claimed = store.claim("cpu-0")
    assert claimed is not None
    assert claimed.id == run
    directory = RunDirectory.of(served.home, run)
    log = directory.event_log(1)
    with Lock(directory.lock):
        log.emit("started", device="cpu-0", run_kind="train")
        log.emit("stage", text="Training", done=1, of=2)
        for step in range(1, 31):
            log.emit("step", step=step, loss=2.0 / step, lr=1e-3, step_ms=60.0)
        log.emit("evaluation", step=30, accuracy=0.8, of=60)
        steps = page.locator(".classes-training svg[aria-label*='Accuracy by step']")
        expect(steps).to_have_attribute("aria-label", "Accuracy by step, at the end LoRA: 80.0%")
        expect(page.locator(".classes-training svg[aria-label*='Loss by step']")).to_be_visible()
        expect(page.locator("#board-strip")).to_contain_text("LoRA 50 %")
    with Store(served.home) as store:
        store.end(run, "failed", "It broke.")
    expect(page.locator("#board-heading")).to_contain_text("Stopped: It broke.")
    person.context.close()
    assert person.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_twenty_classes_fit_and_can_be_read(
    browser: Browser, home: Path, served: Served, width: int, scheme: str
) -> None:
    keep(home, owner=OWNER, classes=20, each=8, shots=2, seeds=(1,))
    _, comparison = keep(home, owner=OWNER, classes=20, each=8, shots=4, seeds=(1,))
    with looking(browser, served, width, scheme) as person:
        known(person, served)
        page = opened(person, comparison)
        page.evaluate(
            "document.querySelectorAll('#board-numbers details:not([open]) > summary')"
            ".forEach(each => each.click())"
        )
        seen = {"page": problems(page)}
        assert fits(page)
        page.locator("#board-matrix .confusion:visible button[data-truth]:visible").first.click()
        expect(page.locator("dialog.classes-drawer[open] h2")).to_be_visible()
        seen["drawer"] = problems(page)
        assert fits(page)
        assert {part: found for part, found in seen.items() if found} == {}
