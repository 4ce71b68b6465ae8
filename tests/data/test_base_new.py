"""Base and new classes are the halves that CoOp trains and tests on."""

import math

import pytest

from sparse_peft.data.base_new import halves
from sparse_peft.data.labelled import Labelled, LabelledPicture
from sparse_peft.errors import DataError


def labelled(classes: int) -> Labelled:
    pictures = tuple(
        LabelledPicture(f"{label}.jpg", label, "train", f"{label}.jpg")
        for label in reversed(range(classes))
    )
    names = tuple(f"class {label}" for label in range(classes))
    return Labelled(names, pictures, "eurosat", root="/somewhere")


def coop_halves(labels: list[int]) -> tuple[list[int], list[int]]:
    """Plain reading of subsample_classes: labels that occur, sorted, cut at ceil(n / 2)."""
    ordered = sorted(set(labels))
    middle = math.ceil(len(ordered) / 2)
    return ordered[:middle], ordered[middle:]


@pytest.mark.parametrize("classes", [2, 3, 10, 37, 47, 101, 1000])
def test_halves_are_those_of_coop(classes: int) -> None:
    opened = labelled(classes)
    base, new = halves(opened)
    assert (list(base), list(new)) == coop_halves([picture.label for picture in opened.pictures])


def test_an_odd_class_is_a_base_class() -> None:
    assert halves(labelled(3)) == ((0, 1), (2,))


def test_one_class_has_no_halves() -> None:
    with pytest.raises(DataError, match="eurosat has 1 class; base and new classes need two"):
        halves(labelled(1))
