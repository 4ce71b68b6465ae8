"""A comparison's name: its owner's, else what it is of and how large."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.errors import DataError, RunError, SpecError
from sparse_peft.ui.comparisons import naming
from tests.planned import submit
from tests.ui.classes.kept_classes import keep, plan_of


def test_a_comparison_is_called_by_its_noun_and_budget_until_it_has_a_name(tmp_path: Path) -> None:
    spec, _, content = submit(tmp_path)
    home = tmp_path / "home"
    assert naming.default(content) == "Cat, 18,816 values"
    assert (naming.read(home, spec.id), naming.name_of(home, spec.id)) == (
        None,
        "Cat, 18,816 values",
    )
    car = replace(content, shared=replace(content.shared, noun="BMW"))
    assert naming.default(car) == "BMW, 18,816 values"
    naming.write(home, spec.id, "  Bello, älter  ")
    assert naming.name_of(home, spec.id) == "Bello, älter"
    naming.write(home, spec.id, " ")
    assert naming.name_of(home, spec.id) == "Cat, 18,816 values"


def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    spec, _, _ = submit(tmp_path)
    naming.write(tmp_path / "home", spec.id, "Bello")
    with pytest.raises(SpecError, match="The name has 81 letters; use 80 at most"):
        naming.write(tmp_path / "home", spec.id, "x" * 81)
    with pytest.raises(DataError, match="The name has line breaks or control characters"):
        naming.write(tmp_path / "home", spec.id, "two\nlines")
    assert naming.name_of(tmp_path / "home", spec.id) == "Bello"


def test_nothing_has_no_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no comparison 'x'"):
        naming.name_of(tmp_path, "x")


def test_classes_are_called_by_their_number_and_what_was_learned_from(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, (), methods=("lora",), classes=3, seeds=(1,), budget=6144)
    plan = plan_of(desk, comparison)
    assert naming.default(plan) == "3 classes, 4 shots, 6,144 values"
    for shots, many in ((1, "1 shot"), (None, "all pictures")):
        other = replace(plan, shared=replace(plan.shared, shots=shots))
        assert naming.default(other) == f"3 classes, {many}, 6,144 values"
