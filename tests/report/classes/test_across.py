"""Accuracy against shots and budget: drawn only between comparisons that differ in nothing else."""

from copy import deepcopy
from typing import Any

from sparse_peft.report.classes.across import across


def like(one: dict[str, Any], **other: Any) -> dict[str, Any]:
    return deepcopy(one) | other


def test_one_comparison_is_no_line(finished: dict[str, Any]) -> None:
    assert across([finished]) == across([]) == ""
    assert across([finished, like(finished)]) == ""


def test_shots_are_drawn_where_the_budget_is_the_same(finished: dict[str, Any]) -> None:
    drawn = across([like(finished, shots=16), finished, like(finished, shots=1)])
    assert "Accuracy against shots, 6,144 trainable values" in drawn
    assert "Accuracy against budget" not in drawn
    assert [drawn.index(f">{n}</text>") for n in (1, 4, 16)] == sorted(
        drawn.index(f">{n}</text>") for n in (1, 4, 16)
    )
    assert drawn.count("<polyline") == 5
    assert drawn.count('<g class="mark"') == 15


def test_budgets_are_drawn_where_the_shots_are_the_same(finished: dict[str, Any]) -> None:
    drawn = across([finished, like(finished, budget=12_288)])
    assert "Accuracy against budget, 4 shots" in drawn
    assert ">12,288</text>" in drawn


def test_of_what_differs_otherwise_the_largest_group_is_drawn(finished: dict[str, Any]) -> None:
    assert across([finished, like(finished, shots=8, preset="clip-lora")]) == ""
    stranger = like(finished, shots=8, template="a drawing of a {}.")
    assert across([finished, stranger]) == ""
    drawn = across([finished, stranger, like(finished, shots=2)])
    assert ">8</text>" not in drawn
    assert ">2</text>" in drawn


def test_a_row_that_is_not_measured_has_no_point(finished: dict[str, Any]) -> None:
    other = like(finished, shots=8)
    other["runs"][4]["metrics"]["accuracy"] = None
    drawn = across([finished, other])
    assert drawn.count('<g class="mark"') == 9


def test_what_was_tested_on_other_pictures_is_not_on_one_line(finished: dict[str, Any]) -> None:
    finished["recipe"] = {"evaluate": "test", "targets": "attn"}
    other = like(finished, shots=8, recipe={"evaluate": "val", "targets": "attn"})
    assert across([finished, other]) == ""
    assert across([finished, like(finished, shots=8)])


def test_longer_training_is_no_larger_budget(finished: dict[str, Any]) -> None:
    other = like(finished, budget=12_288)
    for row in other["runs"]:
        for run in row["runs"]:
            run["settings"] = run["settings"] | {"steps": 9_999}
    assert across([finished, other]) == ""


def test_guessing_is_a_quiet_line_where_the_chart_reaches_it(finished: dict[str, Any]) -> None:
    drawn = across([finished, like(finished, shots=8)])
    assert "guessing, 25 %: below this chart" in drawn
    for row in finished["runs"]:
        row["metrics"]["accuracy"] = {"mean": 0.3, "low": 0.2, "high": 0.4}
    drawn = across([finished, like(finished, shots=8)])
    assert drawn.count('class="guessing"') == 1
    assert "</svg> guessing, 25 %</span>" in drawn
