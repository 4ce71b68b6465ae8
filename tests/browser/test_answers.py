"""What is drawn is the state of things: whatever comes late, twice, or back to where it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Response, Route, expect

from benchmarks.browser import Served
from sparse_peft.files import Lock
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from tests.browser import steps
from tests.browser.conftest import Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ANSWERS = "**/gradio_api/run/predict*"
DRAWN_MS = 1500  # longer than drawing an answer takes


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A studio to which a runner seems to be there: nothing begins but what a test does."""
    with Served(tmp_path / "home") as served, Lock(runner_lock_path(served.home)):
        yield served
        end_all(served)


def end_all(served: Served) -> None:
    with Store(served.home) as store:
        for row in store.runs():
            if row.state in ("queued", "running"):
                store.end(row.id, "cancelled")


def with_a_cup(person: Person) -> Page:
    page = person.visit()
    page.click("#board-pictures [data-do=example][data-name=cup]")
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    steps.to_methods(page)
    return page


def test_a_state_that_comes_back_between_two_pulses_is_drawn(
    browser: Browser, served: Served
) -> None:
    """At rest, at work and at rest again: the pulse sees the same twice, the page shows work."""
    person = Person(browser, served.url)
    page = with_a_cup(person)
    with page.expect_response("**/studio/pulse*"):
        pass  # at rest
    held: list[Route] = []
    page.route("**/studio/pulse*", lambda route: held.append(route))
    steps.start(page)
    expect(page.locator("#board-strip .strip-said")).to_have_text("Waiting: it is next.")
    while not held:
        page.wait_for_timeout(50)
    end_all(served)
    held[0].continue_()
    page.unroute("**/studio/pulse*")
    expect(page.locator("#board-strip .strip-line")).to_have_count(0)
    expect(page.locator("#board-heading")).not_to_contain_text("Waiting")
    person.context.close()
    assert person.complaints == []


def asks_again(response: Response) -> bool:
    return '"look"' in (response.request.post_data or "")


def test_a_late_answer_does_not_stay_drawn_over_that_to_a_later_question(
    browser: Browser, served: Served
) -> None:
    person = Person(browser, served.url)
    page = with_a_cup(person)
    late: list[tuple[Route, APIResponse]] = []

    def answer(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route(ANSWERS, answer)
    ticks = page.locator(".methods-tick input")
    before = [tick.is_checked() for tick in ticks.all()]
    wanted = [not before[0], not before[1], *before[2:]]
    ticks.nth(0).click(force=True)
    with page.expect_response(ANSWERS):  # to the second question, when the page gives up the first
        ticks.nth(1).click(force=True)
    page.wait_for_timeout(DRAWN_MS)
    [(route, answered)] = late
    with page.expect_response(asks_again):
        route.fulfill(response=answered)
    page.wait_for_timeout(DRAWN_MS)
    assert [tick.is_checked() for tick in ticks.all()] == wanted
    page.reload()
    expect(page.locator("#board-methods [data-do=start]")).to_be_visible()
    assert [tick.is_checked() for tick in ticks.all()] == wanted
    page.unroute(ANSWERS)
    person.context.close()
    assert person.complaints == []
