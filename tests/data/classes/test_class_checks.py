"""What is wrong with labelled pictures is said in plain words, and no more than a few names."""

import dataclasses
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sparse_peft.data.classes.checks import Seen, check, left_out, nearly_the_same
from sparse_peft.data.findings import Finding
from sparse_peft.data.labelled import Split
from sparse_peft.data.opening.clean import difference_hash, thumbnail
from tests.data import hostile

CLASSES = ("apple", "pear")


def seen(label: int, content: int, split: Split = "pool", side: int = 300) -> Seen:
    """A picture of a class; the same content is the same picture."""
    rng = np.random.default_rng(content)
    return Seen(
        name=f"{split}/{CLASSES[label]}/{content}.jpg",
        label=label,
        split=split,
        sha256=f"{content:064x}",
        side=side,
        animated=False,
        difference_hash=int(rng.integers(0, 2**63)),
        thumbnail=rng.integers(0, 256, 1024, dtype=np.uint8).tobytes(),
    )


def look(picture: Image.Image, label: int, content: int) -> Seen:
    """A picture as the decoder tells of it."""
    return dataclasses.replace(
        seen(label, content),
        difference_hash=difference_hash(picture),
        thumbnail=thumbnail(picture),
    )


def said(*pictures: Seen) -> list[tuple[str, str]]:
    return [(finding.severity, finding.text) for finding in check(CLASSES, pictures, 224)]


GOOD = (seen(0, 1), seen(0, 2), seen(1, 3), seen(1, 4))


def test_of_good_pictures_nothing_is_said() -> None:
    assert said(*GOOD) == []


def test_the_same_picture_in_two_classes_stops() -> None:
    assert said(*GOOD, seen(1, 1)) == [
        (
            "stop",
            "The same picture is in two classes: pool/apple/1.jpg and pool/pear/1.jpg. Keep it in"
            " the class that it shows.",
        )
    ]


def test_of_many_pairs_three_are_named() -> None:
    pictures = [seen(label, content) for label in (0, 1) for content in range(8)]
    (finding,) = check(CLASSES, pictures, 224)
    assert finding.text.count(" and pool/pear/") == 3
    assert "pool/pear/2.jpg and 5 more. Keep" in finding.text


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ([1], "A test picture is among the training ones: test/apple/1.jpg is train/apple/1.jpg."),
        (
            [1, 2, 3, 4, 5],
            "5 test pictures are among the training ones: test/apple/1.jpg is train/",
        ),
    ],
)
def test_test_pictures_among_the_training_ones_stop(contents: list[int], words: str) -> None:
    train = [seen(0, content, "train") for content in range(1, 6)]
    test = [seen(0, content, "test") for content in contents]
    others = [seen(1, 7, "train"), seen(1, 8, "train"), seen(1, 9, "test")]
    (finding,) = check(CLASSES, [*train, *others, *test], 224)
    assert finding.severity == "stop"
    assert finding.text.startswith(words)
    assert finding.text.count(" is train/") == min(len(contents), 3)


def test_validation_pictures_may_be_among_the_others() -> None:
    pictures = [seen(0, 1, split) for split in ("train", "val")]
    others = [seen(0, 2, "test"), seen(0, 2, "val"), seen(1, 3, "train"), seen(1, 4, "test")]
    assert said(*pictures, *others) == []


def test_what_is_changed_a_little_in_another_class_warns() -> None:
    picture = hostile.scene(400, 300)
    smaller = picture.resize((200, 150), Image.Resampling.LANCZOS)
    findings = check(CLASSES, [*GOOD, look(picture, 0, 8), look(smaller, 1, 9)], 224)
    assert [str(finding) for finding in findings] == [
        "Nearly the same picture is in two classes: pool/apple/8.jpg and pool/pear/9.jpg. Is that"
        " so?"
    ]
    assert findings[0].severity == "warn"
    assert said(*GOOD, look(picture, 0, 8), look(smaller, 0, 9)) == []  # of one class: no matter
    other = hostile.scene(400, 300, seed=1)
    assert said(*GOOD, look(picture, 0, 8), look(other, 1, 9)) == []


def test_drawings_that_share_their_paper_are_not_the_same() -> None:
    drawings = []
    for content, line in enumerate([(20, 20, 80, 80), (20, 30, 80, 90), (80, 20, 20, 80)]):
        picture = Image.new("RGB", (105, 105), "white")
        ImageDraw.Draw(picture).line(line, "black", 3)
        drawings.append(look(picture, content % 2, content + 10))
    near = bin(drawings[0].difference_hash ^ drawings[1].difference_hash).count("1")
    assert near <= 8  # of 64: the hash alone would tell little
    assert nearly_the_same(drawings, 3) == ([], 0)


def test_blank_pictures_are_not_compared() -> None:
    blank = [look(Image.new("RGB", (64, 64), colour), n % 2, n) for n, colour in
             enumerate(["white", "black", "red"])]  # fmt: skip
    assert nearly_the_same(blank, 3) == ([], 0)


def test_pairs_are_counted_across_blocks_and_few_are_given() -> None:
    picture = look(hostile.scene(), 0, 0)
    many = [
        dataclasses.replace(picture, label=n % 2, sha256=f"{n:064x}") for n in range(600)
    ]  # more than two blocks
    pairs, count = nearly_the_same(many, 3)
    assert (len(pairs), count) == (3, 300 * 300)
    assert all(many[first].label != many[other].label for first, other in pairs)


def test_thousands_of_pictures_are_compared_in_seconds() -> None:
    pictures = [seen(number % 2, number) for number in range(2000)]
    started = time.monotonic()
    assert nearly_the_same(pictures, 3) == ([], 0)
    assert time.monotonic() - started < 10  # it takes 0.05


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ((), "No picture of apple, pear can be used; add some, or remove the class."),
        (
            (seen(0, 1), seen(0, 2)),
            "No picture of pear can be used; add some, or remove the class.",
        ),
        (
            (seen(0, 1), seen(0, 2), seen(1, 3)),
            "There is one picture only of pear: once it is trained on, none is left to test on. Add"
            " pictures.",
        ),
        (
            (seen(0, 1, "train"), seen(1, 2, "train"), seen(0, 3, "test")),
            "No test picture of pear can be used; add some.",
        ),
    ],
)
def test_a_class_with_nothing_to_use_stops(pictures: tuple[Seen, ...], words: str) -> None:
    assert said(*pictures) == [("stop", words)]


def test_one_training_picture_is_enough_where_the_test_is_apart() -> None:
    splits: tuple[Split, ...] = ("train", "test")
    numbered = enumerate((label, split) for label in (0, 1) for split in splits)
    assert said(*(seen(label, number, split) for number, (label, split) in numbered)) == []


def test_uneven_classes_warn_beyond_four_to_one() -> None:
    eight = [seen(0, content) for content in range(8)]
    assert said(*eight, seen(1, 8), seen(1, 9)) == []
    nine = [*eight, seen(0, 10)]
    ((severity, text),) = said(*nine, seen(1, 8), seen(1, 9))
    assert severity == "warn"
    assert text.startswith("The classes are uneven: 9 pictures of apple, 2 of pear.")


def test_small_and_animated_pictures_are_noted_once() -> None:
    small = [dataclasses.replace(picture, side=105 - n) for n, picture in enumerate(GOOD[:2])]
    moving = [dataclasses.replace(picture, animated=True) for picture in GOOD[2:]]
    assert said(*small, *moving) == [
        (
            "info",
            "2 of 4 pictures are smaller than the 224 px that the backbone sees (the smallest has"
            " 104 px); they are enlarged.",
        ),
        ("info", "Of animations the first frame is used: pool/pear/3.jpg, pool/pear/4.jpg."),
    ]


def test_of_those_left_out_five_are_named_and_the_others_counted() -> None:
    reasons = [(f"a/{number}.jpg", "damaged") for number in range(7)]
    assert left_out(reasons[:5], "could not be read") == [
        Finding(f"a/{number}.jpg", "warn", "damaged") for number in range(5)
    ]
    assert [str(finding) for finding in left_out(reasons, "could not be read")[5:]] == [
        "2 more pictures could not be read, left out."
    ]
    assert left_out(reasons[:6], "could not be read")[-1].text.startswith("1 more picture could")
