"""Trainings shorter than the preset's: said in numbers where they are compared, else not."""

from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.report import words
from sparse_peft.report.classes import sections as of_classes
from sparse_peft.report.classes.caveats import caveats as caveats_of_classes
from sparse_peft.report.shortened import shortened, steps_of
from sparse_peft.report.subject import sections as of_subject
from tests import fake_classes, fake_outcome
from tests.report.test_page import HOSTILE, Page

EARLY = "what is ahead this early says little about the end."


def training(steps: int, usual: int | None) -> dict[str, Any]:
    return {"settings": {"steps": steps}, "preset_steps": usual}


def test_fewer_steps_than_the_presets_are_told_in_numbers() -> None:
    both = [("LoRA", training(20, 1_250)), ("SO", training(20, 1_250))]
    assert shortened(both) == [f"Trained for 20 of the preset's 1,250 steps: {EARLY}"]


def test_steps_are_told_beside_the_presets_only_where_these_are_more() -> None:
    found = [steps_of(training(*told)) for told in ((1_000, 2_000), (2_000, 2_000), (1_000, None))]
    assert found == ["1,000 of the preset's 2,000 steps", "2,000 steps", "1,000 steps"]


def test_where_methods_differ_the_short_ones_are_named_once() -> None:
    """Comparisons that stand side by side may have been trained for different steps."""
    whole, short = ("LoRA", training(250, 250)), ("SO", training(20, 250))
    assert shortened([whole, short, short]) == [
        f"Trained for 20 of the preset's 250 steps (SO): {EARLY}"
    ]
    other = ("WaveFT", training(30, 400))
    assert shortened([short, other]) == [
        "Trained for 20 of the preset's 250 steps (SO) and 30 of the preset's 400 steps (WaveFT): "
        f"{EARLY}"
    ]


def test_as_many_steps_or_more_need_no_word_and_older_files_tell_none() -> None:
    assert shortened([("LoRA", training(250, 250)), ("SO", training(251, 250))]) == []
    assert shortened([("LoRA", training(20, None)), ("SO", {"settings": {"steps": 20}})]) == []
    assert shortened([]) == []


@pytest.fixture(params=["classes", "subject"])
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def value(task: str, tmp_path: Path) -> dict[str, Any]:
    """A finished comparison; its trainings have 200 steps."""
    if task == "classes":
        maker = fake_classes.Maker(tmp_path, classes=3, seeds=(1, 2))
        return compare.assemble(maker.comparison(methods=("lora", "so")))
    return compare.assemble(fake_outcome.Maker(tmp_path, prompts=2).comparison())


def trainings(value: dict[str, Any]) -> list[dict[str, Any]]:
    """All of them; a reference of classes is none."""
    return [one for run in value["runs"] for one in run.get("runs", [run]) if one["run"]]


def said(task: str, value: dict[str, Any]) -> str:
    """What stands in the report under its first heading."""
    verdict = of_classes.verdict if task == "classes" else of_subject.verdict
    return Page(verdict(value)).text


def test_it_stands_under_the_verdicts_of_both_reports(task: str, value: dict[str, Any]) -> None:
    for one in trainings(value):
        one["preset_steps"] = 250
    assert said(task, value).count(f"Trained for 200 of the preset's 250 steps: {EARLY}") == 1
    setup = of_classes.setup if task == "classes" else of_subject.setup
    paper = Page(setup(value)).text
    assert paper.count("learning rate 0.001, 200 of the preset's 250 steps, ") > 1
    for one in trainings(value):
        one["preset_steps"] = 200
    assert EARLY not in said(task, value)


def test_files_without_the_field_say_nothing(task: str, value: dict[str, Any]) -> None:
    for one in trainings(value):
        del one["preset_steps"]
    assert "Trained for" not in said(task, value)


def test_what_is_not_compared_is_not_counted(task: str, value: dict[str, Any]) -> None:
    short = trainings(value)[0]
    short["preset_steps"] = 250
    assert "(LoRA): " in said(task, value)
    short |= {"samples": [], "accuracy": None}
    assert EARLY not in said(task, value)


def test_a_hostile_name_stays_text(task: str, value: dict[str, Any]) -> None:
    first = next(run for run in value["runs"] if run["method"] == "lora")
    first["label"] = HOSTILE
    trainings(value)[0]["preset_steps"] = 250
    caveats = caveats_of_classes if task == "classes" else words.caveats
    assert any(HOSTILE in line and EARLY in line for line in caveats(value))
    verdict = of_classes.verdict if task == "classes" else of_subject.verdict
    assert not any(tag in ("img", "script") for tag, _ in Page(verdict(value)).tags)


def test_a_number_that_is_text_is_refused(task: str, value: dict[str, Any]) -> None:
    trainings(value)[0]["preset_steps"] = HOSTILE
    with pytest.raises(TypeError):
        said(task, value)
