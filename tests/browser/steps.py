"""What a person does on the page, step by step."""

import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, expect

from benchmarks.browser import REPOSITORY

SUBJECTS = REPOSITORY / "examples" / "subjects"


def give_pictures(page: Page, files: Sequence[Path], ready: int) -> None:
    """Upload, and wait until so many squares are there."""
    page.set_input_files("#pictures-files", [str(path) for path in files])
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(ready)


def call_it(page: Page, noun: str) -> None:
    page.fill("#pictures-noun", noun)
    page.press("#pictures-noun", "Tab")
    expect(page.locator(".pictures-prompt")).to_contain_text(noun)


def to_methods(page: Page) -> None:
    page.click("#board-pictures [data-do=next]")
    expect(page.locator("#board-methods [data-do=start]")).to_be_visible()


def set_up(page: Page, steps: int, prompts: Sequence[str]) -> None:
    """A small comparison: few steps, few prompts."""
    if not page.locator("#methods-steps").is_visible():
        page.click("#board-methods summary:has-text('More settings')")
    page.fill("#methods-steps", str(steps))
    page.press("#methods-steps", "Tab")
    page.fill("#methods-prompts", "\n".join(prompts))
    page.press("#methods-prompts", "Tab")
    count = 3 * len(prompts)
    expect(page.locator("#board-methods")).to_contain_text(f"{steps} steps, {count} test pictures")


def start(page: Page) -> str:
    """Press Start; the id of the comparison that opens."""
    page.click("#board-methods [data-do=start]")
    expect(page.locator("#board-heading .heading")).to_be_visible()
    page.wait_for_url(re.compile("comparison="))
    return re.findall(r"comparison=([a-z0-9]+)", page.url)[0]


def tab(page: Page, number: int) -> None:
    page.locator("#steps button[role=tab]:visible").nth(number - 1).click()
