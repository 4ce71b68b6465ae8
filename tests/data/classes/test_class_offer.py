"""Classes are named as a prompt says them, and what cannot be classes is said before decoding."""

from collections.abc import Sequence

import pytest

from sparse_peft.data.classes.offer import Entry, Offer, class_name, named_classes
from sparse_peft.data.labelled import Split
from sparse_peft.errors import DataError


def offer(folders: dict[Split, Sequence[str]], empty: Sequence[str] = (), each: int = 1) -> Offer:
    """An offer of `each` pictures a class, but for the empty ones."""
    entries = [
        Entry(name, split, f"{split}/{name}/{number}", bytes)
        for split, names in folders.items()
        for name in names
        for number in range(each)
        if name not in empty
    ]
    return Offer("fruit", {k: tuple(v) for k, v in folders.items()}, tuple(entries))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("red_apple", "red apple"),
        ("golden-retriever", "golden retriever"),
        (" 01__ripe  pear_ ", "01 ripe pear"),
        ("n01440764", "n01440764"),
        ("cafe\u0301", "caf\u00e9"),  # as macOS writes it
    ],
)
def test_a_folder_s_name_is_what_a_prompt_says(written: str, name: str) -> None:
    assert class_name(written) == name


def test_classes_keep_their_order_and_folders_of_all_splits_find_them() -> None:
    names, labels = named_classes(
        offer({"train": ["red_apple", "pear"], "test": ["Pear", "red apple"]})
    )
    assert names == ("red apple", "pear")
    assert labels == {"red_apple": 0, "pear": 1, "Pear": 1, "red apple": 0}


def test_validation_may_lack_classes() -> None:
    names, _ = named_classes(offer({"train": ["a", "b"], "val": ["a"], "test": ["a", "b"]}))
    assert names == ("a", "b")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (offer({"pool": ["a"]}), "There is one class only in fruit (a); at least two are needed"),
        (
            offer({"pool": ["a", "b", "c"]}, empty=["b"]),
            "A class has no picture in fruit (b). Put pictures in, or remove the folder.",
        ),
        (
            offer({"pool": [*"abcdefgh", "i"]}, empty=[*"abcdefgh"]),
            "8 classes have no picture in fruit (a, b, c, d, e ...).",
        ),
        (
            offer({"pool": ["red_apple", "red-apple", "pear"]}),
            "There are two classes of the same name in fruit: 'red_apple' and 'red-apple' are both"
            " 'red apple'. Rename or join them.",
        ),
        (offer({"pool": ["Apple", "apple"]}), "two classes of the same name in fruit: 'Apple' and"),
        (offer({"pool": ["a", "__"]}), "The class '__' in fruit cannot be named so"),
        (offer({"pool": ["a", "b\x07"]}), "The class 'b?' in fruit cannot be named so"),
        (offer({"pool": ["a", "b" * 81]}), "cannot be named so: a class's name has 1 to 80"),
        (
            offer({"train": ["a", "b"], "test": ["a", "b", "kiwi"]}),
            "The test pictures have a class that the training pictures lack (kiwi).",
        ),
        (
            offer({"train": ["a", "b", "c", "kiwi"], "test": ["a", "b"]}),
            "The training pictures have 2 classes that the test pictures lack (c, kiwi).",
        ),
        (
            offer({"train": ["a", "b"], "val": ["a", "x"], "test": ["a", "b"]}),
            "The validation pictures have a class that the training pictures lack (x).",
        ),
        (
            offer({"pool": [str(number) for number in range(1001)]}),
            "There are 1,001 classes in fruit, at most 1,000 are allowed; take fewer.",
        ),
        (
            offer({"pool": ["a", "b"]}, each=10_001),
            "There are 20,002 files in fruit, at most 20,000 are allowed; take fewer.",
        ),
    ],
)
def test_what_cannot_be_classes_is_said_in_one_sentence(given: Offer, words: str) -> None:
    with pytest.raises(DataError) as caught:
        named_classes(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_test_class_without_pictures_is_lacking() -> None:
    full = offer({"train": ["a", "b"], "test": ["a", "b"]})
    entries = tuple(entry for entry in full.entries if entry.name != "test/b/0")
    with pytest.raises(DataError, match=r"that the test pictures lack \(b\)"):
        named_classes(Offer("fruit", full.folders, entries))
