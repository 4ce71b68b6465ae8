"""Accuracy by step: a faint line for each draw, a strong one for their mean, references level."""

import re
from typing import Any

from sparse_peft.report.classes.curves import by_step, by_step_table


def test_each_draw_is_faint_and_the_mean_strong(finished: dict[str, Any]) -> None:
    drawn = by_step(finished)
    assert drawn.count('stroke-opacity="0.3"') == 3 * 3
    assert drawn.count('stroke-opacity="1"') == 3 + 2  # means, and both references
    heights = [re.findall(r",([\d.]+)", points)
               for points in re.findall(r'points="([^"]+)"', drawn)]  # fmt: skip
    assert sum(len(set(ys)) == 1 for ys in heights) == 2


def test_the_picture_is_described_in_words(finished: dict[str, Any]) -> None:
    end = finished["runs"][2]["history"][-1]["accuracy"]
    assert f"LoRA: {end:.1%}" in by_step(finished)


def test_the_lines_have_a_table(finished: dict[str, Any]) -> None:
    table = by_step_table(finished)
    assert re.findall(r"Step \d+", table) == ["Step 50", "Step 100", "Step 150", "Step 200"]
    first = finished["runs"][2]["history"][0]["accuracy"]
    assert f'data-title="LoRA">{100 * first:.1f} %<' in table
    finished["runs"][3]["history"] = finished["runs"][3]["history"][:1]
    assert by_step_table(finished).count('data-title="WaveFT">none<') == 3


def test_one_draw_is_drawn_once(finished: dict[str, Any]) -> None:
    for row in finished["runs"]:
        row["runs"] = row["runs"][:1]
    assert 'stroke-opacity="0.3"' not in by_step(finished)


def test_without_a_measurement_there_is_a_sentence(unmeasured: dict[str, Any]) -> None:
    assert by_step(unmeasured).startswith('<p class="none">')
    assert by_step_table(unmeasured) == ""


def test_guessing_has_a_line_a_name_and_a_row_of_the_table(finished: dict[str, Any]) -> None:
    assert "guessing, 25 %: below this chart" in by_step(finished)
    assert 'class="guessing"' not in by_step(finished)
    finished["runs"][2]["runs"][0]["history"][0]["accuracy"] = 0.2
    assert by_step(finished).count('class="guessing"') == 1
    assert "below this chart" not in by_step(finished)
    last = by_step_table(finished).rpartition("<tr>")[2]
    assert re.findall(r">([^<>]+)<", last) == ["Guessing", "25.0 %", "25.0 %", "25.0 %"]
