"""What boxes amount to is said in words and built as a data set."""

from dataclasses import replace

import pytest

from sparse_peft.ui.classes import counting
from sparse_peft.ui.classes.form import Box, BoxPicture, ClassForm


def pictures(first: int, count: int) -> tuple[BoxPicture, ...]:
    return tuple(BoxPicture(f"{n:02}.png", f"{n:064x}") for n in range(first, first + count))


def form(*counts: int, shots: int = 4, tests: int = 0) -> ClassForm:
    boxes = tuple(
        Box(
            str(place),
            f"c{place}",
            pictures(1000 * place, count),
            pictures(1000 * place + 500, tests),
        )
        for place, count in enumerate(counts, 1)
    )
    return ClassForm(boxes, len(counts), shots=shots)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (form(35, 35), "4 of each class are learned from, the other 31 test it."),
        (form(2, 2, shots=1), "1 of each class is learned from, the other 1 tests it."),
        (form(7, 35), "4 of each class are learned from, the others, 3 to 31 a class, test it."),
        (form(8, 8, tests=20), "4 of each class are learned from; 20 others of each test it."),
        (form(4, 9), "Each class needs 4 pictures to learn from and one more to test it."),
        (form(0, 0), "Each class needs 4 pictures to learn from and one more to test it."),
    ],
)  # fmt: skip
def test_what_follows_from_the_shots(found: ClassForm, words: str) -> None:
    assert counting.sentence(found) == words


def test_how_many_are_missing_depends_on_test_pictures_of_its_own() -> None:
    assert counting.share(form(3).boxes[0], 4) == counting.Share(3, 0, 2)
    assert counting.share(form(3, tests=9).boxes[0], 4) == counting.Share(3, 9, 1)
    assert counting.share(form(5).boxes[0], 4) == counting.Share(4, 1)


def test_the_line_above_the_boxes() -> None:
    assert counting.ready_line(form(0, 0)) == ""
    assert counting.ready_line(form(16, 16)) == "2 classes with 32 pictures."
    assert counting.ready_line(form(16, 3)) == (
        "2 classes with 19 pictures. 1 of them can be trained on."
    )


def test_same_names_too_few_and_uneven_are_said_where_they_belong() -> None:
    uneven = ClassForm((Box("1", "Cup", pictures(0, 40)), Box("2", "cup ", pictures(100, 4))), 2)
    together = counting._uneven(uneven)
    assert together == [
        "Cup has 40 pictures, cup  has 4. Training takes 4 of each all the same; what is tested is"
        " uneven."
    ]
    four_to_one = ClassForm(
        (Box("1", "Cup", pictures(0, 16)), Box("2", "mug", pictures(100, 4))), 2
    )
    assert counting._uneven(four_to_one) == []
    assert counting._of_box(uneven, uneven.boxes[1]) == [
        '2 classes are called "cup ". Rename or remove one.',
        "4 to learn from and one to test it: add 1 more.",
    ]


def test_a_picture_in_two_classes_is_told_in_both() -> None:
    shared = pictures(0, 1)
    both = ClassForm(
        (Box("1", "cup", shared), Box("2", "", shared), Box("3", "hat", pictures(5, 1)))
    )
    sha256 = shared[0].sha256
    assert counting.twice(both) == {
        ("1", sha256): "also in Class 2", ("2", sha256): "also in cup",
    }  # fmt: skip


def test_boxes_become_a_data_set_and_those_nobody_touched_do_not() -> None:
    boxes = (
        Box("1", "cup", pictures(0, 2)), Box("2"),
        Box("7", "hat", pictures(10, 1), pictures(20, 1)),
    )  # fmt: skip
    labelled = counting.labelled_of(ClassForm(boxes, 7, title="my things"))
    assert labelled.classes == ("cup", "hat")
    assert [(p.label, p.split, p.name) for p in labelled.pictures] == [
        (0, "pool", "cup/00.png"), (0, "pool", "cup/01.png"), (1, "train", "hat/10.png"),
        (1, "test", "hat/20.png"),
    ]  # fmt: skip
    assert labelled.title == "my things"


def test_all_that_is_learned_from() -> None:
    five = form(9, 9, 9, 9, 9)
    assert counting.learned(five) == 5 * 4
    assert counting.learned(replace(five, base_to_new=True)) == 3 * 4  # half of them, rounded up
    untouched = replace(five, boxes=(*five.boxes, Box("6")))
    assert counting.learned(untouched) == 5 * 4
    assert counting.learned(ClassForm()) == 2 * 4
