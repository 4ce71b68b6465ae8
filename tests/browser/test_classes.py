"""The first two steps for classes: boxes, a ZIP, the example, recipes, Start; by hand and keys."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import REPOSITORY, Served
from tests.browser import steps
from tests.browser.conftest import Person
from tests.browser.looks import fits, looking, problems, too_small

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ANIMALS = REPOSITORY / "examples" / "classes"


def pictures(name: str, count: int, split: str = "train") -> list[Path]:
    return sorted((ANIMALS / split / name).glob("*.png"))[:count]


def teach_classes(page: Page) -> None:
    page.check("input[name=switch-task][value=fewshot]", force=True)
    expect(page.locator("#board-classes .boxes-box")).to_have_count(2)


def fill(page: Page, place: int, name: str, count: int) -> None:
    """Name a class and give it pictures by the chooser of its own box."""
    box = page.locator(".boxes-box").nth(place)
    box.locator(".boxes-name").fill(name)
    box.locator(".boxes-name").press("Tab")
    with page.expect_file_chooser() as chooser:
        box.get_by_text("Choose files").click()
    chooser.value.set_files([str(path) for path in pictures(name, count)])
    expect(box.locator(".boxes-share")).to_contain_text(f"{count} pictures")


def two_classes(page: Page) -> None:
    teach_classes(page)
    fill(page, 0, "fox", 6)
    fill(page, 1, "crab", 6)
    page.fill("#boxes-shots", "2")
    page.press("#boxes-shots", "Tab")
    expect(page.locator(".boxes-follows")).to_have_text(
        "2 of each class are learned from, the other 4 test it."
    )


def to_methods(page: Page) -> None:
    page.click("#board-classes [data-class=next]")
    expect(page.locator("#board-methods [data-do=start]")).to_be_visible()


def opened(page: Page) -> str:
    return re.findall(r"comparison=([a-z0-9]+)", page.url)[0]


def test_from_two_boxes_to_a_comparison(person: Person) -> None:
    page = person.visit()
    two_classes(page)
    expect(page.locator(".boxes-prompt").first).to_have_text("a fox")
    to_methods(page)
    expect(page.locator("#board-methods")).to_contain_text("2 pictures of each class")
    page.check("#methods-linear-probe")
    page.select_option("#methods-train_seeds", "1")
    expect(page.locator("[data-do=start]")).to_contain_text("Start 3 runs")
    page.click("#board-methods summary:has-text('More settings')")
    page.fill("#methods-steps", "3")
    page.press("#methods-steps", "Tab")
    expect(page.locator("#board-methods")).to_contain_text("3 steps")
    page.click("#board-methods [data-do=start]")
    page.wait_for_url(re.compile("comparison="))
    first = opened(page)
    steps.tab(page, 2)
    page.click("#board-methods [data-do=start]")  # the same comparison, as it is under way
    expect(page.locator("#board-heading .heading, #board-heading section").first).to_be_visible()
    assert opened(page) == first


def test_each_form_is_as_it_was_left(person: Person) -> None:
    page = person.visit()
    two_classes(page)
    page.check("input[name=switch-task][value=dreambooth]", force=True)
    page.click("#board-pictures [data-do=example][data-name=bug]")
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    page.check("input[name=switch-task][value=fewshot]", force=True)
    expect(page.locator(".boxes-name").first).to_have_value("fox")
    page.reload()
    expect(page.locator(".boxes-name").first).to_have_value("fox")
    page.check("input[name=switch-task][value=dreambooth]", force=True)
    expect(page.locator("#board-pictures [role=slider]")).to_have_count(5)
    expect(page.locator("#pictures-noun")).to_have_value("bug")


def test_a_zip_of_train_and_test_fills_the_boxes(person: Person, tmp_path: Path) -> None:
    packed = tmp_path / "animals.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for split, count in (("train", 5), ("test", 3)):
            for name in ("pig", "lion"):
                for path in pictures(name, count, split):
                    archive.write(path, f"animals/{split}/{name}/{path.name}")
    page = person.visit()
    teach_classes(page)
    page.set_input_files("#boxes-archive", str(packed))
    expect(page.locator(".boxes-share").first).to_have_text(
        "5 pictures: 4 to learn from; 3 others test it."
    )
    assert sorted(box.input_value() for box in page.locator(".boxes-name").all()) == ["lion", "pig"]


def test_what_lies_beside_the_pictures_of_a_folder_is_no_class(
    person: Person, tmp_path: Path
) -> None:
    for name in ("pig", "lion"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for path in pictures(name, 5):
            (tmp_path / "mine" / name / path.name).write_bytes(path.read_bytes())
        (tmp_path / "mine" / name / "desktop.ini").write_text("[view]")
    (tmp_path / "mine" / "Thumbs.db").write_bytes(b"thumbs")
    (tmp_path / "mine" / "notes.txt").write_text("my animals")
    page = person.visit()
    teach_classes(page)
    page.set_input_files("input[webkitdirectory]", str(tmp_path / "mine"))
    expect(page.locator(".boxes-share", has_text="5 pictures")).to_have_count(2)
    assert sorted(box.input_value() for box in page.locator(".boxes-name").all()) == ["lion", "pig"]
    expect(page.locator(".boxes-box", has_text="could not be read")).to_have_count(0)


def test_dropped_folders_become_classes_and_loose_pictures_ask_for_one(person: Person) -> None:
    page = person.visit()
    teach_classes(page)
    data = [list(path.read_bytes()) for path in pictures("whale", 2)]
    drop = """([data, where]) => {
      const transfer = new DataTransfer();
      data.forEach((bytes, n) => transfer.items.add(
        new File([new Uint8Array(bytes)], `${n}.png`, { type: "image/png" })));
      document.querySelector(where).dispatchEvent(
        new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }"""
    page.evaluate(drop, [data, ".boxes-door"])
    expect(page.locator(".boxes-refused")).to_have_text(
        "Drop pictures onto the class that they show."
    )
    page.evaluate(drop, [data, ".boxes-box:nth-child(2) .boxes-empty"])
    expect(page.locator(".boxes-box").nth(1).locator(".boxes-thumb")).to_have_count(2)


def test_pictures_are_pasted_into_the_box_that_has_the_focus(person: Person) -> None:
    page = person.visit()
    teach_classes(page)
    page.locator(".boxes-name").nth(1).focus()
    page.evaluate(
        """data => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "p.png", { type: "image/png" }));
          document.activeElement.dispatchEvent(new ClipboardEvent(
            "paste", { bubbles: true, cancelable: true, clipboardData: transfer }));
        }""",
        list(pictures("snail", 1)[0].read_bytes()),
    )
    expect(page.locator(".boxes-box").nth(1).locator(".boxes-thumb")).to_have_count(1)
    expect(page.locator(".boxes-box").nth(0).locator(".boxes-thumb")).to_have_count(0)


def test_what_is_wrong_is_told_where_it_is_mended(person: Person) -> None:
    page = person.visit()
    two_classes(page)
    page.locator(".boxes-name").nth(1).fill("fox")
    page.locator(".boxes-name").nth(1).press("Tab")
    expect(page.locator(".boxes-checks .note").first).to_contain_text("2 classes are called")
    page.click("[data-class=next]")
    expect(page.locator(".boxes-name[aria-invalid=true]").first).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.locator(".boxes-box").nth(1).get_by_text("Choose files").click()
    chooser.value.set_files([str(pictures("fox", 1)[0])])
    expect(page.locator(".boxes-thumb[data-said=yes]")).to_have_count(2)


def test_boxes_by_keys_alone(person: Person) -> None:
    page = person.visit()
    two_classes(page)
    page.locator(".boxes-thumb").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".boxes-thumb").nth(1)).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.locator(".boxes-box").first.locator(".boxes-thumb")).to_have_count(5)
    expect(page.locator(".boxes-thumb").nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".boxes-thumb").nth(4)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".boxes-box").first.locator("[data-class=choose]")).to_be_focused()
    page.locator("[data-class=add]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".boxes-name").nth(2)).to_be_focused()
    page.keyboard.type("owl")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # the cross beside the name
    expect(page.locator(".boxes-box")).to_have_count(2)
    page.locator("input[name=switch-task]:checked").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#board-pictures section").first).to_be_visible()
    expect(page.locator("input[name=switch-task][value=dreambooth]")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_both_steps_fit_and_can_be_read(
    browser: Browser, studio: Served, width: int, scheme: str
) -> None:
    with looking(browser, studio, width, scheme) as someone:
        page = someone.visit()
        teach_classes(page)
        seen = {"empty": problems(page)}
        assert fits(page)
        page.click("#board-classes [data-class=example]")
        expect(page.locator(".boxes-box")).to_have_count(10)
        page.locator(".boxes-tests summary").first.click()
        page.click(".boxes-reading summary")
        seen["classes"] = problems(page)
        assert fits(page)
        to_methods(page)
        page.click("#board-methods summary:has-text('More settings')")
        page.click("#board-methods summary:has-text('Where this preset comes from')")
        seen["methods"] = problems(page)
        assert fits(page)
        assert {part: found for part, found in seen.items() if found} == {}
        for number in (1, 2):
            steps.tab(page, number)
            assert too_small(page, ".studio .button, .switch-choice") == []
