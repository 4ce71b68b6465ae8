"""Class folders are found directly, below train, val and test, and below a test folder apart."""

from pathlib import Path

import pytest
from test_class_tree import grown

from sparse_peft.data.classes.layout import offer_of
from sparse_peft.data.classes.offer import Offer
from sparse_peft.data.classes.tree import folder_tree
from sparse_peft.errors import DataError


def offered(folder: Path, *names: str, test: Path | None = None) -> Offer:
    tree = folder_tree(grown(folder, *names))
    return offer_of(tree, None if test is None else folder_tree(test))


def rows(offer: Offer) -> list[tuple[str, str, str]]:
    return [(entry.folder, entry.split, entry.name) for entry in offer.entries]


def refusal(folder: Path, *names: str, test: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        offered(folder, *names, test=test)
    return str(caught.value)


def test_class_folders_are_a_pool(tmp_path: Path) -> None:
    offer = offered(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "c/")
    assert offer.folders == {"pool": ("a", "b", "c")}
    assert rows(offer) == [
        ("a", "pool", "a/1.jpg"), ("a", "pool", "a/2.jpg"), ("b", "pool", "b/1.jpg")
    ]  # fmt: skip
    assert offer.entries[1].read() == b"a/2.jpg"
    assert offer.findings == ()


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "TESTING")])
def test_splits_may_stand_above_the_classes(tmp_path: Path, names: tuple[str, str, str]) -> None:
    offer = offered(tmp_path, *(f"{split}/{name}/1.jpg" for split in names for name in "ab"))
    assert offer.folders == dict.fromkeys(("train", "val", "test"), ("a", "b"))
    assert list(offer.folders) == ["train", "val", "test"]
    assert rows(offer)[::2] == [
        ("a", split, f"{name}/a/1.jpg")
        for split, name in zip(("train", "val", "test"), names, strict=True)
    ]


def test_a_test_folder_apart_makes_the_rest_training(tmp_path: Path) -> None:
    test = grown(tmp_path / "unseen", "a/9.jpg", "b/9.jpg")
    offer = offered(tmp_path / "seen", "a/1.jpg", "b/1.jpg", test=test)
    assert rows(offer) == [
        ("a", "train", "a/1.jpg"), ("b", "train", "b/1.jpg"),
        ("a", "test", "test/a/9.jpg"), ("b", "test", "test/b/9.jpg"),
    ]  # fmt: skip
    inside = offered(tmp_path / "both", "train/a/1.jpg", "val/a/2.jpg", test=test)
    assert list(inside.folders) == ["train", "val", "test"]


def test_train_and_test_may_be_classes(tmp_path: Path) -> None:
    offer = offered(tmp_path, "train/1.jpg", "car/1.jpg", "test/")
    assert offer.folders == {"pool": ("car", "test", "train")}


def test_what_is_passed_over_is_noted(tmp_path: Path) -> None:
    offer = offered(tmp_path, "a/1.jpg", "b/1.jpg", "z.jpg", "y.pdf", "a/more/1.jpg")
    assert [(finding.severity, finding.text) for finding in offer.findings] == [
        ("info", f"What lies beside the folders of {tmp_path} is ignored (y.pdf, z.jpg)."),
        ("info", "Folders inside a class are ignored (a/more)."),
    ]


def test_what_lies_beside_the_splits_is_noted(tmp_path: Path) -> None:
    offer = offered(tmp_path, "train/a/1.jpg", "test/a/1.jpg", "extra/1.jpg", "z.jpg")
    assert [finding.text for finding in offer.findings] == [
        f"What lies beside the folders of {tmp_path} is ignored (extra, z.jpg)."
    ]


def test_folders_of_folders_ask_for_one_of_them(tmp_path: Path) -> None:
    names = [
        f"{alphabet}/character01/1.png" for alphabet in ("Latin", "Greek", "Korean", "Tagalog")
    ]
    assert refusal(tmp_path, *names) == (
        f"The folders in {tmp_path} hold folders, not pictures (Greek, Korean, Latin ...). Give one"
        " of them, or a ZIP of it, such as Greek."
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "There are no class folders in"),
        (("1.jpg", "2.jpg"), "There are no class folders in"),
        (("train/1.jpg", "Test/1.jpg"), "are called Test, train, and hold no class folders; put"),
        (("train/a/1.jpg",), "has a train folder but no test folder; add one, or give the train"),
        (("train/a/1.jpg", "val/a/1.jpg"), "has a train folder but no test folder"),
        (("test/a/1.jpg",), "has a test folder but no train folder; add it."),
        (("train/a/1.jpg", "val/a/1", "valid/a/1"), "has two folders for the same split"),
    ],
)
def test_what_cannot_be_a_layout_is_said(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    assert words in refusal(tmp_path, *names)


def test_the_test_is_given_once(tmp_path: Path) -> None:
    test = grown(tmp_path / "unseen", "a/9.jpg")
    names = ("train/a/1.jpg", "test/a/1.jpg")
    assert refusal(tmp_path / "seen", *names, test=test) == (
        f"{tmp_path}/seen has a test folder, and {test} is given for the test too; give one."
    )
