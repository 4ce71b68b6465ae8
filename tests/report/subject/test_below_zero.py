"""A prompt fidelity below 0: beside the number or once below the table, and by the verdicts."""

from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.metrics.pictures import Anchor, scaled
from sparse_peft.report import words
from sparse_peft.report.subject.sections import verdict
from sparse_peft.report.subject.tables import metrics_table
from tests.fake_outcome import Maker

SEES = "the judge sees your subject rather"


@pytest.fixture
def value(tmp_path: Path) -> dict[str, Any]:
    return compare.assemble(Maker(tmp_path).comparison())


def lowered(value: dict[str, Any], methods: int) -> None:
    """Put the prompt fidelity of the first methods below what the base has for other prompts."""
    anchor = Anchor(**value["anchors"]["prompt_fidelity"])
    assert anchor.usable
    assert anchor.zero is not None
    for run in value["runs"][:methods]:
        mean = anchor.zero - 0.01
        assert scaled(mean, anchor) < 0
        run["metrics"]["prompt_fidelity"] = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}


def test_above_it_nothing_is_said(value: dict[str, Any]) -> None:
    assert words.below(value) == ""
    assert SEES not in metrics_table(value) + verdict(value)


def test_a_single_method_has_it_beside_its_number(value: dict[str, Any]) -> None:
    lowered(value, 1)
    assert metrics_table(value).count(SEES) == 1
    assert f"<small>{words.BELOW}</small>" in metrics_table(value)
    assert "Prompt fidelity is below 0 for LoRA: the judge sees" in verdict(value)


def test_of_several_it_stands_once_below_the_table(value: dict[str, Any]) -> None:
    lowered(value, 2)
    table = metrics_table(value)
    assert table.count(SEES) == 1
    assert table.endswith("follows the prompt better.</p>")
    assert words.below(value).startswith("Prompt fidelity is below 0 for two of three methods:")
    lowered(value, 3)
    assert words.below(value).startswith("Prompt fidelity is below 0 for all three methods:")
    assert "is of little use to tell which follows the prompt better." in verdict(value)


def test_without_a_scale_there_is_no_below(value: dict[str, Any]) -> None:
    lowered(value, 3)
    value["anchors"]["prompt_fidelity"]["usable"] = False
    assert words.methods_below(value) == []


def test_the_head_says_whose_pictures_make_the_zero(value: dict[str, Any]) -> None:
    """The anchor is measured on the base's pictures, for every column alike."""
    assert "0 = the base's pictures judged by the other prompts" in metrics_table(value)
