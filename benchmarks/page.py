"""The page in a real browser: first load, clicks while it trains, a refresh, and doing nothing."""

import re
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.browser import Served, chromium
from benchmarks.figures import Figure
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store

SUBJECT = "page"
MOST_LOAD, MOST_PROGRESS, MOST_CLICK, MOST_REFRESH, MOST_IDLE = 3.0, 2.0, 0.3, 1.0, 5.0
IDLE_SECONDS = 60.0
CLICKS = 40
FIRST_STEPS = 300  # typed into the field: a number that is not the preset's
LOADED = "Encoding the pictures and prompts"  # the stage after the model has been loaded

# A field is changed as a person does it, and the server's answer is waited for in the page.
CLICK = """async (steps) => {
  const board = document.querySelector("#board-methods"), field = board.querySelector("#methods-steps");
  const said = () => board.textContent.includes(`${steps} steps,`), start = performance.now();
  const answered = new Promise((done) => new MutationObserver((_, watch) => {
    if (said()) { watch.disconnect(); done((performance.now() - start) / 1000); }
  }).observe(board, { subtree: true, childList: true, characterData: true }));
  field.value = steps;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  return answered;
}"""  # noqa: E501


def measure(rounds: int = 5, idle_seconds: float = IDLE_SECONDS) -> list[Figure]:
    """All figures of the page on a studio of its own.

    Args:
        rounds: of first loads and refreshes.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        Served(Path(home)) as studio,
        chromium() as browser,
    ):
        loads = [_load(browser, studio) for _ in range(rounds)]
        page = browser.new_page()
        page.goto(studio.url)
        idle = _idle(page, studio, idle_seconds)
        said, shown = _start(page, studio)
        clicks = [page.evaluate(CLICK, FIRST_STEPS + number) for number in range(CLICKS)]
        training = _training(studio)
        refreshes = [_refresh(page) for _ in range(rounds)]
    beside = f"while {training} runs train"
    return [
        Figure(SUBJECT, "first load, new profile", statistics.median(loads), "s", MOST_LOAD),
        Figure(SUBJECT, f"page idle for {idle_seconds:g} s", idle, "% of a core", MOST_IDLE),
        Figure(SUBJECT, "Start until the page says so", said, "s"),
        Figure(SUBJECT, "model loaded until the page says so", shown, "s", MOST_PROGRESS),
        Figure(SUBJECT, f"click to answer {beside}, median", statistics.median(clicks), "s"),
        Figure(SUBJECT, f"click to answer {beside}, 95 %", _high(clicks), "s", MOST_CLICK),
        Figure(SUBJECT, f"refresh until re-attached {beside}", statistics.median(refreshes), "s",
               MOST_REFRESH),
    ]  # fmt: skip


def _high(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _load(browser: Browser, studio: Served) -> float:
    """Until the first step can be used."""
    page = browser.new_page()
    start = time.perf_counter()
    page.goto(studio.url)
    page.wait_for_selector("#board-pictures [data-do=choose]")
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def _idle(page: Page, studio: Served, seconds: float) -> float:
    page.wait_for_load_state("networkidle")
    before = studio.seconds_used
    page.wait_for_timeout(1000 * seconds)
    return 100 * (studio.seconds_used - before) / seconds


def _start(page: Page, studio: Served) -> tuple[float, float]:
    """Start a comparison of an example: seconds until it is said, and until progress is shown."""
    page.click("[data-do=example][data-name=cat]")
    page.wait_for_selector("#board-pictures [role=slider] >> nth=4")
    page.click("#board-pictures [data-do=next]")
    page.wait_for_selector("#methods-stop:visible")
    start = time.perf_counter()
    page.click("#board-methods [data-do=start]")
    page.wait_for_selector("#board-strip .strip-line")
    said = time.perf_counter() - start
    with Store(studio.home) as store:
        [prepare] = [row.id for row in store.runs() if row.kind == "prepare"]
    directory = RunDirectory.of(studio.home, prepare)
    while not any(event.get("text") == LOADED for event in directory.events()[0]):
        time.sleep(0.01)
    loaded = time.perf_counter()
    # A later stage counts too: on a fast machine the first one may be over before it is shown.
    later = re.compile("Encoding|Drawing|%")
    page.locator("#board-strip .strip-line", has_text=later).wait_for()
    shown = time.perf_counter() - loaded
    while not _training(studio):
        time.sleep(0.05)
    return said, shown


def _training(studio: Served) -> int:
    """Trainings that are at work or come next."""
    with Store(studio.home) as store:
        states = [row.state for row in store.runs() if row.kind == "train"]
    return len(states) if "running" in states else 0


def _refresh(page: Page) -> float:
    start = time.perf_counter()
    page.reload()
    page.wait_for_selector("#board-strip .strip-line")
    return time.perf_counter() - start
