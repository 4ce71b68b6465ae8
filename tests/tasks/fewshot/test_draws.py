"""Draws of shots: base classes are learned, new ones only tested on."""

from pathlib import Path

import pytest

from sparse_peft.data.labelled import Labelled
from sparse_peft.data.shots import draw
from sparse_peft.errors import SpecError
from sparse_peft.tasks.fewshot.draws import all_draws, needed, read_draw, write_draws
from tests.labelled_sets import small_set
from tests.tasks.fewshot.small import shared_by


@pytest.fixture
def labelled(tmp_path: Path) -> Labelled:
    return small_set(tmp_path, ("a", "b", "c"), count=5)[0]


def test_each_seed_has_the_draw_of_the_data_set(labelled: Labelled) -> None:
    found = all_draws(labelled, shared_by(Path("x"), classes=("a", "b", "c")))
    assert list(found) == [1, 2]
    for seed, drawn in found.items():
        expected = draw(labelled, 2, seed)
        assert (drawn.train, drawn.test, drawn.new) == (expected.train, expected.test, ())


def test_new_classes_are_tested_on_and_not_trained_on(labelled: Labelled) -> None:
    shared = shared_by(Path("x"), classes=("c", "a"), new_classes=("b",), labels=(2, 0, 1))
    drawn = all_draws(labelled, shared)[1]
    assert {labelled.pictures[p].label for p in drawn.train} == {0, 2}
    assert {labelled.pictures[p].label for p in drawn.test} == {0, 2}
    assert {labelled.pictures[p].label for p in drawn.new} == {1}
    assert (len(drawn.train), len(drawn.test), len(drawn.new)) == (4, 6, 3)
    assert needed({1: drawn}) == sorted({*drawn.train, *drawn.test, *drawn.new})


def test_draws_survive_their_file(labelled: Labelled, tmp_path: Path) -> None:
    draws = all_draws(labelled, shared_by(Path("x"), classes=("a", "b", "c")))
    write_draws(tmp_path, draws)
    assert read_draw(tmp_path, 2) == draws[2]
    with pytest.raises(SpecError, match=r"draws\.json\.3\.train is missing"):
        read_draw(tmp_path, 3)
