"""Split files, lists and folders that are damaged or made to do harm are refused in a sentence."""

import os
import shutil
from pathlib import Path

import pytest

from sparse_peft.data.published.benchmarks import open_benchmark
from sparse_peft.errors import DataError
from tests.data.published_trees import CLASSES, plant, refusal, rewrite, split_of, touch, write_fgvc


@pytest.fixture
def eurosat(tmp_path: Path) -> Path:
    return plant("eurosat", tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('{"train": [[', "line 1: not valid JSON"),
        ("[]", "expected a table"),
        ("[" * 100_000, "not valid JSON"),
        ('{"train": [], "val": []}', "no list of pictures 'test'"),
        ('{"train": [], "val": [], "test": []}', "no picture of train"),
        (lambda split: split.update(test=[]), "no picture of test"),
        (lambda split: split["train"].insert(2, ["a.jpg", 1]), "train[2] is not [path, label, cl"),
        (lambda split: split["train"][2].__setitem__(0, 7), "train[2] is not [path, label, class"),
        (lambda split: split["val"][2].__setitem__(2, " "), "val[2] is not [path, label, class na"),
        (lambda split: split["val"][0].__setitem__(1, 10), "val[0] has the label 10; eurosat has"),
        (lambda split: split["val"][0].__setitem__(1, -1), "has the labels 0 to 9"),
        (lambda split: split["val"][0].__setitem__(1, True), "val[0] has the label True"),
        (lambda split: split["val"][0].__setitem__(1, "x"), "val[0] has the label x"),
        (lambda split: split["test"].append(["a.jpg", 7, "far"]), "none of them has the label 3"),
        (lambda split: split["test"].append(["a.jpg", 1, "far"]), "calls class 1 'far', which was"),
        (lambda split: split["test"].append(["a.jpg", 3, "second"]), "gives 'second' the label 3"),
        (lambda split: split["test"].append(["a.jpg", 3, "a\nb"]), "write one plain line"),
        (lambda split: split["train"].append(split["test"][0]), "for test, and"),
        (lambda split: split["train"].append(split["train"][0]), "a picture belongs to one split"),
        (lambda split: split["train"][1].__setitem__(0, "../x.jpg"), "train[1] names '../x.jpg'"),
        (lambda split: split["train"][1].__setitem__(0, "a/../../x.jpg"), "which is not a path be"),
        (lambda split: split["train"][1].__setitem__(0, "/etc/passwd"), "names '/etc/passwd', whi"),
        (lambda split: split["train"][1].__setitem__(0, "a\0b.jpg"), "names 'a?b.jpg', which is"),
        (lambda split: split["train"][1].__setitem__(0, ""), "names '', which is not a path"),
        (lambda split: split["train"][1].__setitem__(0, "a/" * 501 + "b"), "which is not a path"),
    ],
)
def test_a_damaged_split_is_refused(change: object, words: str, eurosat: Path) -> None:
    rewrite(eurosat, change)
    assert words in refusal("eurosat", eurosat.parent)


def test_labels_written_as_text_are_numbers(eurosat: Path) -> None:
    rewrite(eurosat, lambda split: split["train"][5].__setitem__(1, "1"))
    assert open_benchmark("eurosat", eurosat.parent)[0].counts("train") == (4, 4, 4)


def test_a_huge_split_is_refused_unread(eurosat: Path) -> None:
    with (eurosat / "split_zhou_EuroSAT.json").open("ab") as file:
        file.truncate(2**26 + 1)
    assert "at most 64 MB are allowed" in refusal("eurosat", eurosat.parent)


def test_a_pipe_in_place_of_a_split_is_not_waited_for(eurosat: Path) -> None:
    split = eurosat / "split_zhou_EuroSAT.json"
    split.unlink()
    os.mkfifo(split)
    assert "is not a file" in refusal("eurosat", eurosat.parent)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("images_variant_val.txt", None, "images_variant_val.txt is missing"),
        ("variants.txt", "a\nb\nb\n", "variants.txt, line 3 names 'b' a second time"),
        ("variants.txt", "".join(f"v{n}\n" for n in range(101)), "101 lines; fgvc_aircraft has 1"),
        ("variants.txt", "first_thing\n", "the variant 'second', which variants.txt does not have"),
        ("images_variant_test.txt", "0000006 other\n", "test.txt, line 1 names the variant 'other"),
        ("images_variant_test.txt", "../0000006 second\n", "names '../0000006.jpg', which is not"),
        ("images_variant_test.txt", "0000000 second\n", "for test, and"),
        ("images_variant_test.txt", "0009999 second\n", "0009999.jpg does not exist"),
        ("images_variant_test.txt", "\n", "has no picture of test"),
    ],
)
def test_damaged_lists_of_fgvc_are_refused(
    file: str, text: str | None, words: str, tmp_path: Path
) -> None:
    path = plant("fgvc", tmp_path) / file
    path.unlink() if text is None else path.write_text(text)
    assert words in refusal("fgvc", tmp_path)


def test_labels_of_fgvc_follow_variants_and_not_the_pictures(tmp_path: Path) -> None:
    home = plant("fgvc", tmp_path)
    write_fgvc(home, split_of("fgvc_aircraft"))
    (home / "variants.txt").write_text("unseen\n" + "".join(f"{name}\n" for name in CLASSES))
    labelled, _ = open_benchmark("fgvc", tmp_path)
    assert labelled.classes == ("unseen", "first thing", "second", "third thing")
    assert labelled.counts("train") == (0, 4, 4, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n01440764 tench\n", "no name for n01443537, n02100000"),
        ("n01440764 tench\nn01443537\n", "line 2 has 'n01443537' without a class name"),
        ("n01440764 tench\nn01440764 ray\n", "line 2 has 'n01440764' a second time"),
        ("n01440764 \x07\n", "write one plain line"),
    ],
)
def test_damaged_class_names_of_imagenet_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (plant("imagenet", tmp_path) / "classnames.txt").write_text(text)
    assert words in refusal("imagenet", tmp_path)


def test_imagenet_with_other_classes_in_val_is_refused(tmp_path: Path) -> None:
    home = plant("imagenet", tmp_path)
    shutil.rmtree(home / "images" / "val" / "n01443537")
    assert "in one of train and val only (n01443537)" in refusal("imagenet", tmp_path)


def test_imagenet_with_a_flat_val_is_refused(tmp_path: Path) -> None:
    home = plant("imagenet", tmp_path)
    shutil.rmtree(home / "images" / "val")
    touch(home / "images" / "val" / "ILSVRC2012_val_00000001.JPEG")
    assert "val has no class folders" in refusal("imagenet", tmp_path)


def test_imagenet_without_its_folders_is_refused(tmp_path: Path) -> None:
    home = plant("imagenet", tmp_path)
    shutil.rmtree(home / "images" / "val")
    assert "neither images/train and images/val nor train and val" in refusal("imagenet", tmp_path)


def test_imagenet_whose_folders_hold_nothing_is_refused(tmp_path: Path) -> None:
    home = plant("imagenet", tmp_path)
    for picture in home.glob("images/train/*/*"):
        picture.unlink()
    assert "has no picture of train" in refusal("imagenet", tmp_path)


def test_every_refusal_is_a_data_error_unless_the_json_is_broken(eurosat: Path) -> None:
    rewrite(eurosat, lambda split: split["train"][1].__setitem__(0, "../x.jpg"))
    with pytest.raises(DataError):
        open_benchmark("eurosat", eurosat.parent)
