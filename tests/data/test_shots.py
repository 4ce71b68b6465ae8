"""Shots are drawn by seed, class by class, and what is tested on was never drawn."""

import time

import pytest

from sparse_peft.data.labelled import Labelled, LabelledPicture, Split, png_name
from sparse_peft.data.shots import check_shots, draw
from sparse_peft.errors import DataError, SpecError


def own(splits: dict[str, dict[Split, int]]) -> Labelled:
    """Classes with so many pictures of each split, opened by a person."""
    pictures = []
    for label, (name, counts) in enumerate(splits.items()):
        for split, count in counts.items():
            for _ in range(count):
                sha256 = f"{len(pictures):016x}" + "0" * 48
                picture = LabelledPicture(png_name(sha256), label, split, f"{name}/x", sha256)
                pictures.append(picture)
    return Labelled(tuple(splits), tuple(pictures), "fruit")


def published(train: dict[str, int], **drawn: tuple[int, ...]) -> Labelled:
    """A set in place with so many training pictures of each class, and one test picture."""
    pictures = []
    for label, (name, count) in enumerate(train.items()):
        kinds: list[Split] = ["train"] * count + ["test", "val"]
        for place, split in enumerate(kinds):
            file = f"{name}/{split}{place}.jpg"
            pictures.append(LabelledPicture(file, label, split, file))
    named = {key.removeprefix("draw").replace("_", "-"): places for key, places in drawn.items()}
    return Labelled(tuple(train), tuple(pictures), "EuroSAT", "/root", named)


def files(labelled: Labelled, places: tuple[int, ...], label: int) -> list[str]:
    taken = [labelled.pictures[place] for place in places]
    return [picture.file for picture in taken if picture.label == label]


@pytest.mark.parametrize("shots", [1, 3, 5])
def test_every_class_gets_its_shots_and_the_rest_is_tested_on(shots: int) -> None:
    labelled = own({name: {"pool": 6} for name in "abc"})
    drawn = draw(labelled, shots, seed=1)
    assert [labelled.pictures[place].label for place in drawn.train] == sorted([0, 1, 2] * shots)
    assert sorted(drawn.train + drawn.test) == list(range(18))


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    labelled = own({name: {"pool": 40} for name in "abc"})
    assert draw(labelled, 4, seed=1) == draw(labelled, 4, seed=1)
    assert len({draw(labelled, 4, seed).train for seed in range(5)}) == 5
    first, second = (files(labelled, draw(labelled, 4, 1).train, label) for label in (0, 1))
    assert [int(name[:16], 16) for name in first] != [int(n[:16], 16) - 40 for n in second]


def test_another_class_or_another_order_changes_no_other_draw() -> None:
    few, more = own({n: {"pool": 9} for n in "ab"}), own({n: {"pool": 9} for n in "abc"})
    assert draw(few, 4, 1).train == draw(more, 4, 1).train[:8]
    assert draw(more, 4, 1, classes=(1, 0)).train[4:] == draw(few, 4, 1).train[:4]


def test_more_shots_are_the_fewer_and_others() -> None:
    labelled = own({name: {"pool": 20} for name in "ab"})
    one, four = draw(labelled, 1, 7).train, draw(labelled, 4, 7).train
    assert [four[0], four[4]] == list(one)


def test_over_many_seeds_every_picture_is_drawn_alike_often() -> None:
    labelled = own({name: {"pool": 5} for name in "ab"})
    drawn = [place for seed in range(2000) for place in draw(labelled, 1, seed).train]
    assert all(330 < drawn.count(place) < 470 for place in range(10))  # 400, 4 deviations of 18


def test_of_some_classes_only_theirs_are_drawn_and_tested_on() -> None:
    labelled = own({name: {"train": 3, "test": 2} for name in "abcd"})
    drawn = draw(labelled, 2, 1, classes=(1, 3))
    assert {labelled.pictures[place].label for place in drawn.train + drawn.test} == {1, 3}
    assert len(drawn.test) == 4


def test_validation_pictures_are_neither_drawn_nor_tested_on() -> None:
    labelled = own({name: {"train": 2, "val": 5, "test": 1} for name in "ab"})
    drawn = draw(labelled, 2, 1)
    splits = [labelled.pictures[place].split for place in drawn.train + drawn.test]
    assert sorted(splits) == ["test"] * 2 + ["train"] * 4


def test_a_published_draw_is_taken_as_it_is() -> None:
    labelled = published({"a": 5, "b": 5}, draw2_1=(8, 3, 7, 0))
    assert draw(labelled, 2, 1).train == (3, 0, 8, 7)
    assert draw(labelled, 2, 1, classes=(1, 0)).train == (8, 7, 3, 0)
    assert len(set(draw(labelled, 2, 2).train)) == 4


def test_a_published_draw_without_a_class_is_refused() -> None:
    labelled = published({"a": 5, "b": 5}, draw2_1=(3, 0))
    with pytest.raises(DataError, match="draw of EuroSAT has no picture of b; remove its file"):
        draw(labelled, 2, 1)


def test_only_a_class_without_test_pictures_needs_one_more_than_its_shots() -> None:
    labelled = own({"a": {"train": 4, "test": 1}, "b": {"pool": 5}})
    drawn = draw(labelled, 4, 1)
    assert [labelled.pictures[place].label for place in drawn.test] == [0, 1]


def test_a_published_class_with_too_few_pictures_is_drawn_with_replacement() -> None:
    labelled = published({"a": 2, "b": 20})
    drawn = draw(labelled, 16, 1)
    first, second = files(labelled, drawn.train, 0), files(labelled, drawn.train, 1)
    assert (len(first), set(first)) == (16, {"a/train0.jpg", "a/train1.jpg"})
    assert len(second) == len(set(second)) == 16
    assert drawn == draw(labelled, 16, 1)


@pytest.mark.parametrize(
    ("splits", "shots", "words"),
    [
        ({"a": {"pool": 5}, "b": {"pool": 5}}, 0, "shots is 0; expected 1 or more"),
        ({"a": {"pool": 5}}, 1, "There is one class only (a); at least two are needed"),
        (
            {"a": {"pool": 4}, "b": {"pool": 3}, "c": {"pool": 9}},
            4,
            "4 shots a class need 5 pictures of it, one of them to test on; 2 of 3 classes have"
            " fewer (a: 4, b: 3). Take at most 2 shots, or add pictures.",
        ),
        (
            {"a": {"pool": 1}, "b": {"pool": 3}},
            1,
            "1 shot a class needs 2 pictures of it, one of them to test on; 1 of 2 classes has"
            " fewer (a: 1). Add pictures.",
        ),
        (
            {"a": {"train": 3, "test": 1}, "b": {"train": 8, "test": 1}},
            4,
            "4 shots a class need 4 pictures of it; 1 of 2 classes has fewer (a: 3). Take at most"
            " 3 shots, or add pictures.",
        ),
        (
            {"a": {"train": 4, "test": 1}, "b": {"pool": 4}},
            4,
            "4 shots a class need 5 pictures of it, one of them to test on; 1 of 2 classes has"
            " fewer (b: 4). Take at most 3 shots, or add pictures.",
        ),
        (
            {"a": {"train": 8, "test": 1}, "b": {"train": 8}},
            4,
            "There is no picture to test on of b; add some.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(
    splits: dict[str, dict[Split, int]], shots: int, words: str
) -> None:
    labelled = own(splits)
    for action in (lambda: check_shots(labelled, shots), lambda: draw(labelled, shots, 1)):
        with pytest.raises((DataError, SpecError)) as caught:
            action()
        assert words in str(caught.value)


def test_a_published_class_without_training_pictures_is_refused() -> None:
    with pytest.raises(DataError, match=r"1 of 2 classes has fewer \(a: 0\)\. Add pictures"):
        check_shots(published({"a": 0, "b": 3}), 16)


def test_half_of_two_classes_is_one_class() -> None:
    with pytest.raises(DataError, match=r"There is one class only \(b\)"):
        check_shots(own({name: {"pool": 5} for name in "ab"}), 1, classes=(1,))


def test_a_thousand_classes_are_drawn_at_once() -> None:
    labelled = own({str(number): {"pool": 20} for number in range(1000)})
    started = time.monotonic()
    assert len(draw(labelled, 16, 1).test) == 4000
    assert time.monotonic() - started < 5  # it takes 0.05


SPLITS: dict[str, dict[Split, int]] = {
    "a": {"train": 3, "val": 1, "test": 2},
    "b": {"train": 2, "test": 1},
    "c": {"val": 4},
}


def test_all_pictures_of_the_splits_that_are_named_are_learned_from() -> None:
    labelled = own(SPLITS)
    drawn = draw(labelled, None, 1)
    assert [labelled.pictures[place].label for place in drawn.train] == [0, 0, 0, 1, 1]
    assert [labelled.pictures[place].split for place in drawn.test] == ["test"] * 3
    assert draw(labelled, None, 2) == drawn
    both = draw(labelled, None, 1, None, ("train", "val"), "test")
    assert len(both.train) == 10
    chosen = draw(labelled, None, 1, None, ("train",), "val")
    assert (len(chosen.train), len(chosen.test)) == (5, 5)
    assert not set(chosen.train) & set(chosen.test)


def test_shots_can_be_tested_on_validation_pictures() -> None:
    labelled = own({name: {"train": 3, "val": 2, "test": 1} for name in "ab"})
    drawn = draw(labelled, 2, 1, None, ("train",), "val")
    assert [labelled.pictures[place].split for place in drawn.test] == ["val"] * 4
    assert drawn.train == draw(labelled, 2, 1).train


@pytest.mark.parametrize(
    ("splits", "learn_from", "evaluate", "words"),
    [
        ({"a": {"pool": 3}, "b": {"pool": 3}}, ("pool",), "test", "no pictures of test to test on"),
        (SPLITS, ("train", "val"), "val", "the pictures of val are trained on"),
        (
            {"a": {"train": 3, "test": 1}, "b": {"test": 1}},
            ("train",),
            "test",
            "Of the classes of fruit, 1 have pictures to learn from (train)",
        ),
    ],
)
def test_all_pictures_leave_some_to_test_on(
    splits: dict[str, dict[Split, int]], learn_from: tuple[Split, ...], evaluate: Split, words: str
) -> None:
    with pytest.raises((DataError, SpecError)) as caught:
        check_shots(own(splits), None, None, learn_from, evaluate)
    assert words in str(caught.value)
