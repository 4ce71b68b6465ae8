"""The way of a person from pictures to the report, with everything dying that may die."""

import csv
import io
import json
import signal
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Page, expect

from benchmarks.browser import Served
from sparse_peft.runs import process
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from tests.browser import steps
from tests.browser.conftest import Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PROMPTS = ["your owl in the snow", "your owl on the beach"]
CUT = ("net::ERR_", "Failed to fetch")


def worker_at_step(studio: Served, step: int, page: Page) -> tuple[str, process.Identity]:
    """A training run with its worker, once it has done so many steps."""
    while True:
        with Store(studio.home) as store:
            rows = [r for r in store.runs(state="running") if r.kind == "train"]
        for row in rows:
            directory = RunDirectory.of(studio.home, row.id)
            done = [e for e in directory.events()[0] if e["kind"] == "step"]
            worker = process.read_identity(directory.worker)
            if len(done) >= step and worker is not None:
                return row.id, worker
        page.wait_for_timeout(50)


def taken(page: Page, name: str) -> Download:
    with page.expect_download() as found:
        page.click(f"#board-numbers a:has-text('{name}')")
    return found.value


def test_from_pictures_to_the_report(
    person: Person, studio: Served, browser: Browser, tmp_path: Path
) -> None:
    page = person.visit()
    expect(page.locator("#pictures-title")).to_contain_text("Show the backbone one subject.")

    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    files = sorted((steps.SUBJECTS / "owl").glob("*.png"))
    steps.give_pictures(page, [*files, broken], ready=len(files))
    expect(page.locator("#board-pictures")).to_contain_text("broken.png")
    expect(page.locator("#board-pictures")).to_contain_text("could not be read, left out")
    expect(page.locator("#board-pictures")).to_contain_text("5 of 6 pictures are ready.")
    steps.call_it(page, "owl")
    expect(page.locator(".pictures-prompt")).to_contain_text("sks")

    # Under the smallest LoRA: said on its card, while the thumb moves and without a request.
    steps.to_methods(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#methods-stop").evaluate(
        "thumb => { thumb.value = 4; thumb.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    lora = page.locator(".methods-card[data-method=lora]")
    expect(lora).to_contain_text("Cannot go this low.")
    assert [url for url in asked if "predict" in url] == []
    page.press("#methods-stop", "End")
    page.press("#methods-stop", "PageDown")
    expect(lora).not_to_contain_text("Cannot go this low.")
    for _ in range(5):
        page.press("#methods-stop", "PageDown")
    expect(page.locator("#board-methods")).to_contain_text("as many as LoRA rank 1")

    # A mistake is told at its field, in the sentence of the command line.
    page.click("#board-methods summary:has-text('More settings')")
    page.fill("#methods-steps", "0")
    page.press("#methods-steps", "Tab")
    expect(page.locator("#methods-steps")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#board-methods .error").first).to_contain_text("use 1 or more")
    steps.set_up(page, 60, PROMPTS)
    comparison = steps.start(page)

    # The base comes first; cells to come say when. A refresh and a second tab show the same.
    heads = page.locator("#board-matrix .row.heads .head")
    expect(heads).to_have_count(4)
    base = page.locator("#board-matrix img[data-column=base]")
    expect(base).to_have_count(len(PROMPTS))
    expect(base.first).to_have_attribute("alt", "Base: your owl in the snow, step 0, seed 0")
    page.reload()
    expect(page.locator("#board-strip")).to_contain_text("LoRA")
    expect(base).to_have_count(len(PROMPTS))
    second = person.tab()
    second.goto(studio.url)
    expect(second.locator("#board-matrix img[data-column=base]")).to_have_count(len(PROMPTS))
    second.close()

    nobody_else_sees(browser, studio, comparison)
    lose_the_server(person, studio)
    lose_a_worker(person, studio)
    expect(page.locator("#board-strip .strip-line")).to_have_count(0)
    with Store(studio.home) as store:
        assert [row.state for row in store.runs()] == ["finished"] * 4
    look_at_the_results(page)
    take_it_away(person, comparison, tmp_path)
    keep_house(page, studio, comparison)


def nobody_else_sees(browser: Browser, studio: Served, comparison: str) -> None:
    other = Person(browser, studio.url)
    page = other.visit(f"/?comparison={comparison}")
    expect(page.locator("#board-matrix img")).to_have_count(0)
    expect(page.locator("#board-strip .strip-line")).to_have_count(0)
    with Store(studio.home) as store:
        run = store.runs(comparison)[0].id
    for path in (f"files/{run}/samples/base/p00-s0.png", f"downloads/{comparison}/report.html"):
        assert other.context.request.get(f"{studio.url}/studio/{path}").status == 404
    other.context.close()
    other.forgive("404")
    assert other.complaints == []


def lose_the_server(person: Person, studio: Served) -> None:
    """Killed and started again under an open page: training goes on, and so does the page."""
    page = person.page
    _, worker = worker_at_step(studio, 3, page)
    studio.end(signal.SIGKILL)
    expect(page.locator("#studio-line")).to_have_text("Connection lost. Training goes on.")
    assert process.identity(worker.pid) == worker
    studio.start()
    expect(page.locator("#studio-line")).to_contain_text("Nothing was lost.")
    steps.tab(page, 1)
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    expect(page.locator("#pictures-noun")).to_have_value("owl")
    steps.tab(page, 3)
    person.forgive(*CUT)


def lose_a_worker(person: Person, studio: Served) -> None:
    page = person.page
    _, worker = worker_at_step(studio, 8, page)
    process.send_signal(worker, signal.SIGKILL)
    line = page.locator("#board-heading")
    expect(line).to_contain_text("its process ended")
    page.locator("#board-heading button:has-text('Resume')").first.click()
    expect(line).not_to_contain_text("its process ended")


def look_at_the_results(page: Page) -> None:
    said = page.locator("#board-heading")
    expect(said).to_contain_text("What 6 pairs of pictures say")
    expect(said).to_contain_text("From one training run each.")
    pictures = page.locator("#board-matrix img[data-column]")
    expect(pictures).to_have_count(4 * len(PROMPTS))
    waveft = page.locator("#board-matrix img[data-column=waveft]").first
    last = waveft.get_attribute("src")
    page.locator("#board-matrix .matrix .cell[tabindex='0']").focus()
    page.keyboard.down("b")
    expect(waveft).to_have_attribute("src", base_source(page))
    page.keyboard.up("b")
    expect(waveft).to_have_attribute("src", str(last))
    expect(page.locator("#board-numbers table.metrics")).to_contain_text("Subject fidelity")
    expect(page.locator("#board-numbers svg.chart").first).to_be_visible()


def base_source(page: Page) -> str:
    return str(page.locator("#board-matrix img[data-column=base]").first.get_attribute("src"))


def take_it_away(person: Person, comparison: str, tmp_path: Path) -> None:
    page = person.page
    report = tmp_path / "report.html"
    taken(page, "Report HTML").save_as(report)
    offline = person.tab()
    offline.goto(report.as_uri())
    expect(offline.locator(".matrix img[data-column]")).to_have_count(4 * len(PROMPTS))
    offline.close()
    value = json.loads(Path(taken(page, "Numbers JSON").path()).read_text())
    assert value["id"] == comparison
    assert [run["state"] for run in value["runs"]] == ["finished"] * 3
    rows = list(csv.DictReader(io.StringIO(Path(taken(page, "Numbers CSV").path()).read_text())))
    assert {row["method"] for row in rows} == {"base", "lora", "waveft", "so"}
    with zipfile.ZipFile(taken(page, "Adapters").path()) as adapters:
        names = adapters.namelist()
    assert {name.split("/")[0] for name in names} >= {"lora", "waveft", "so"}


def keep_house(page: Page, studio: Served, comparison: str) -> None:
    """History: a name, its own address, and an end of everything it owns."""
    page.click("#board-header button:has-text('History')")
    history = page.locator("#board-history")
    row = history.locator(".history-row").first
    row.locator("button:has-text('Rename')").click()
    page.fill("#history-name", "Bello <b>")
    page.press("#history-name", "Enter")
    expect(row.locator("h3")).to_have_text("Bello <b>")
    row.locator("button:has-text('Delete')").click()
    expect(row).to_contain_text("Deletes 3 runs, 5 pictures and")
    expect(row).to_contain_text("This cannot be undone.")
    row.locator(".history-sure button:has-text('Delete')").click()
    expect(history.locator(".history-row h3", has_text="Bello")).to_have_count(0)
    with Store(studio.home) as store:
        assert store.comparisons() == []
    assert not (studio.home / "comparisons" / comparison).exists()
    assert list((studio.home / "runs").iterdir()) == []
