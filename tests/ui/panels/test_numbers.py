"""The numbers of the Compare tab: tables beside plots, curves, words for a paper, files."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.ui.panels.numbers import board as numbers
from sparse_peft.ui.panels.opened import Opened
from tests.report.test_page import Page
from tests.ui.compared import HOSTILE, desk_at, made, of_class, parsed
from tests.ui.kept import keep


def drawn(monkeypatch: pytest.MonkeyPatch, found: Opened | None) -> Page:
    monkeypatch.setattr(numbers, "opened", lambda _: found)
    return parsed(numbers.render(desk_at(Path("nowhere")), {})["html"])


def links(page: Page) -> list[str | None]:
    return [attrs["href"] for tag, attrs in page.tags if tag == "a"]


@pytest.mark.parametrize("count", [3, 6, 12])
def test_tables_curves_and_words_of_every_method(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    found = made(count)
    page = drawn(monkeypatch, found)
    labels = [run["label"] for run in found.comparison["runs"]]
    assert len(labels) == count
    for label in labels:
        assert page.text.count(label) >= 4  # both tables, the curves' key, the command lines
    lines = [attrs for tag, attrs in page.tags if tag == "polyline"]
    assert {attrs["data-method"] for attrs in lines} == {
        run["method"] for run in found.comparison["runs"]
    }
    assert len(lines) == 4 * count  # each step and its mean, linear and logarithmic
    assert found.comparison["intervals"]["rule"] in page.text
    assert found.comparison["command"] in page.text
    copies = [attrs for _, attrs in page.tags if "data-copy" in attrs]
    assert len(copies) == count + 1
    assert all("hidden" in attrs for attrs in copies)  # until the script finds a clipboard


def test_everything_can_be_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    page = drawn(monkeypatch, made())
    assert links(page) == [
        f"/studio/downloads/c1/{name}"
        for name in ("grid.png", "report.html", "pictures.csv", "comparison.json", "adapters.zip",
                     "adapter-lora.zip", "adapter-waveft.zip", "adapter-so.zip")
    ]  # fmt: skip
    assert "3 folders, 420 kB" in page.text


def test_each_adapter_says_what_opens_it(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path)
    lora = next((desk.home / "runs").glob("*/adapter/unet/values.bin"))
    (lora.parent / "adapter_config.json").write_text("{}")
    page = parsed(numbers.render(replace(desk, open=comparison), {})["html"])
    assert page.text.count("Opens in: this studio, PEFT. Not in ComfyUI or A1111 yet.") == 1
    assert page.text.count("Opens in: this studio only.") == 2


def test_the_example_has_no_adapters() -> None:
    page = parsed(numbers.render(replace(desk_at(Path("nowhere")), open="example"), {})["html"])
    assert "/studio/downloads/example/grid.png" in links(page)
    assert not any("adapter" in str(link) for link in links(page))
    assert "Opens in" not in page.text


def test_curves_are_live_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(
        0,
        lambda maker, outcome: replace(
            outcome, runs=(maker.unfinished("waveft", state="running"), maker.queued("so"))
        ),
    )
    page = drawn(monkeypatch, found)
    assert {a["data-method"] for tag, a in page.tags if tag == "polyline"} == {"waveft"}
    assert not any("None" in said or "nan" in said for said in page.said)


def test_before_the_first_picture_there_is_nothing_to_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = made(
        0,
        lambda maker, outcome: replace(
            outcome, runs=(maker.queued("so"),), prepare=maker.root / "not there"
        ),
    )
    page = drawn(monkeypatch, found)
    assert links(page) == []
    assert "They begin with the first step." in page.text


def test_without_a_judge_costs_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made()
    value = dict(found.comparison, judge=None)
    value["base"] = value["base"] | {"metrics": dict.fromkeys(value["base"]["metrics"])}
    page = drawn(monkeypatch, replace(found, comparison=value))
    assert "No judge measured these pictures." in page.text
    assert of_class(page, "costs") != []
    assert of_class(page, "metrics") == []


def test_hostile_words_stay_words(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made()
    value = dict(found.comparison, noun=HOSTILE, command=HOSTILE, prompts=[HOSTILE])
    value["runs"] = [dict(run, label=HOSTILE, command=HOSTILE, id=HOSTILE) for run in value["runs"]]
    page = drawn(monkeypatch, replace(found, comparison=value, id=HOSTILE))
    assert page.text.count("<script>alert(1)</script>") > 10
    assert all(str(link).startswith("/studio/downloads/%22%3E%3Cscript") for link in links(page))


def test_nothing_is_drawn_where_nothing_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, None).tags == []
