"""How far sizes at one budget are apart: said where it is much, in numbers."""

from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.report.classes import sections as of_classes
from sparse_peft.report.sizes import uneven
from sparse_peft.report.subject import sections as of_subject
from tests import fake_classes, fake_outcome

SAID = "the sizes are up to"


def test_a_large_gap_is_told_with_who_and_how_many() -> None:
    sizes = [("LoRA", 69_888), ("SNELL", 69_888), ("SO", 79_973)]
    assert uneven(80_000, sizes) == (
        "At one budget of 80,000 the sizes are up to 13 % apart (LoRA 69,888, SO 79,973): a method "
        "grows in steps of its own, and they do not all reach it."
    )


@pytest.mark.parametrize(
    ("budget", "sizes"),
    [(80_000, [("SO", 79_973), ("LoRA", 78_000)]), (80_000, [("SO", 1)]), (80_000, []),
     (None, [("SO", 79_973), ("LoRA", 69_888)])],
)  # fmt: skip
def test_a_small_gap_or_no_common_budget_is_not(
    budget: int | None, sizes: list[tuple[str, int]]
) -> None:
    assert uneven(budget, sizes) == ""


@pytest.mark.parametrize("task", ["classes", "subject"])
def test_it_stands_where_sizes_are_told(task: str, tmp_path: Path) -> None:
    """References train nothing, and what is beyond the budget is no size for it."""
    value: dict[str, Any]
    if task == "classes":
        maker = fake_classes.Maker(tmp_path, classes=3, seeds=(1,))
        value, lines = compare.assemble(maker.comparison()), of_classes.footprints
    else:
        value = compare.assemble(fake_outcome.Maker(tmp_path, prompts=2).comparison())
        lines = of_subject.lines
    largest = max(row["footprint"]["active"] for row in value["runs"])
    value["budget"] = largest
    assert SAID not in lines(value)
    last = value["runs"][-1]
    last["footprint"] = last["footprint"] | {"active": largest // 2}
    assert SAID in lines(value)
    last["footprint"] |= {"active": 20 * largest}  # full fine-tuning
    assert SAID not in lines(value)
