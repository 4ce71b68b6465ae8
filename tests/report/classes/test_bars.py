"""Bars of accuracy: length, whiskers, dots and the zero-shot line, or what is still to come."""

import re
from typing import Any

from sparse_peft.report.classes.bars import accuracy_bars, small_bar
from sparse_peft.report.marks import identities

LOOK = identities([("lora", "lora")])["lora"]


def test_a_bar_is_as_long_as_the_accuracy(finished: dict[str, Any]) -> None:
    drawn = accuracy_bars(finished)
    for row in finished["runs"]:
        mean = row["metrics"]["accuracy"]["mean"]
        assert f'<rect width="{100 * mean:.2f}%"' in drawn
        assert f">{100 * mean:.1f} %<" in drawn
        assert f'x1="{100 * row["metrics"]["accuracy"]["low"]:.2f}%"' in drawn


def test_every_draw_is_a_dot_and_zero_shot_a_line_through_all(finished: dict[str, Any]) -> None:
    drawn = accuracy_bars(finished)
    assert drawn.count("<circle cx=") - drawn.count('<circle cx="6') == 5 * 3
    zero = 100 * finished["runs"][0]["metrics"]["accuracy"]["mean"]
    line = rf'<line x1="{zero:.2f}%" x2="{zero:.2f}%" y1="0" y2="44"[^>]*stroke-dasharray="1 3"'
    assert len(re.findall(line, drawn)) == 5


def test_without_results_the_bars_say_what_is_still_to_come(unmeasured: dict[str, Any]) -> None:
    drawn = accuracy_bars(unmeasured)
    assert drawn.count("<li ") == 3
    assert "<rect" not in drawn
    assert drawn.count(">waiting<") == 2
    assert ">being measured<" in drawn
    assert "whisker" not in drawn


def test_a_small_bar_has_a_tick_at_zero_shot() -> None:
    assert '<rect width="75.00%"' in small_bar(LOOK, 0.75, 0.5)
    assert '<line x1="50.00%"' in small_bar(LOOK, 0.75, 0.5)
    assert "<line" not in small_bar(LOOK, 0.75, None)


def test_guessing_is_a_line_through_all_bars_and_named_in_the_key(
    finished: dict[str, Any],
) -> None:
    drawn = accuracy_bars(finished)
    line = r'<line x1="25.00%" x2="25.00%" y1="0" y2="44"[^>]*stroke-dasharray="6 4"'
    assert len(re.findall(line, drawn)) == len(finished["runs"])
    assert "guessing, 25 %" in drawn
    finished["classes"] = [f"kind {number}" for number in range(300)]
    assert "guessing, 0.333 %" in accuracy_bars(finished)
