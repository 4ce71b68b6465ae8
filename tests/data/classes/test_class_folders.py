"""A person's classes are opened from a folder, a ZIP or a table, through the limited decoder."""

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from sparse_peft.data.classes import folders as class_folders
from sparse_peft.data.classes.folders import open_classes
from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import DataError
from tests.data import hostile

NAMES = ("red_apple", "pear")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "clean").mkdir()
    return tmp_path / "clean"


def classes(folder: Path, first: int = 0, each: int = 3, names: tuple[str, ...] = NAMES) -> Path:
    """A folder of class folders with JPEGs, none like another."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            picture = hostile.scene(320, 240, seed=first + place * each + number)
            picture.save(folder / name / f"{number:02}.jpg", quality=95)
    return folder


def test_a_folder_a_zip_of_it_and_a_table_are_the_same(tmp_path: Path, into: Path) -> None:
    folder = classes(tmp_path / "fruit")
    labelled, findings = open_classes(folder, into)
    assert findings == ()
    assert (labelled.title, labelled.classes) == ("fruit", ("pear", "red apple"))
    assert labelled.counts("pool") == (3, 3)
    assert [picture.name for picture in labelled.pictures[2:4]] == [
        "pear/02.jpg",
        "red_apple/00.jpg",
    ]
    saved = labelled.save(into, tmp_path / "data")
    assert Labelled.load(saved) == labelled
    with Image.open(saved / labelled.pictures[0].file) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (320, 240))

    shutil.make_archive(str(folder), "zip", tmp_path, "fruit")
    assert open_classes(tmp_path / "fruit.zip", into)[0] == labelled
    lines = [f"fruit/{name}/{n:02}.jpg,{name}" for name in NAMES for n in range(3)]
    (tmp_path / "fruit.csv").write_text("\n".join(lines))
    table, _ = open_classes(tmp_path / "fruit.csv", into)
    assert [(p.sha256, p.label) for p in table.pictures] == [
        (p.sha256, p.label) for p in labelled.pictures
    ]


def test_a_test_folder_apart_is_tested_on(tmp_path: Path, into: Path) -> None:
    test = classes(tmp_path / "unseen", first=20, each=1, names=("pear", "Red-Apple"))
    labelled, _ = open_classes(classes(tmp_path / "seen", each=1), into, test=test)
    assert [(p.split, p.label, p.name) for p in labelled.pictures] == [
        ("train", 0, "pear/00.jpg"),
        ("train", 1, "red_apple/00.jpg"),
        ("test", 1, "test/Red-Apple/00.jpg"),
        ("test", 0, "test/pear/00.jpg"),
    ]


def test_small_drawings_and_large_photographs_are_welcome(tmp_path: Path, into: Path) -> None:
    folder = classes(tmp_path / "fruit")
    drawing = Image.new("1", (28, 28), 1)
    ImageDraw.Draw(drawing).line((4, 4, 20, 24), 0)
    drawing.save(folder / "pear" / "03.png")
    hostile.scene(2000, 1500, seed=40).save(folder / "pear" / "04.jpg")
    hostile.scene(15, 15, seed=41).save(folder / "pear" / "05.png")
    labelled, findings = open_classes(folder, into, wanted_side=64)
    sizes = []
    for picture in labelled.pictures:
        with Image.open(into / picture.file) as image:
            sizes.append(image.size)
    assert sizes[3:5] == [(28, 28), (683, 512)]
    assert [str(finding) for finding in findings] == [
        "pear/05.png: could not be read, left out: 15 x 15 is too small, at least 16 x 16 is"
        " needed.",
        "1 of 8 pictures is smaller than the 64 px that the backbone sees (it has 28 px); it is"
        " enlarged.",
    ]


def test_what_cannot_be_read_or_is_there_twice_is_left_out_and_named(
    tmp_path: Path, into: Path
) -> None:
    folder = classes(tmp_path / "fruit")
    for number in range(7):
        (folder / "pear" / f"1{number}.jpg").write_text("I am no picture")
    shutil.copy(folder / "pear" / "00.jpg", folder / "pear" / "09.jpg")
    labelled, findings = open_classes(folder, into)
    assert labelled.counts("pool") == (3, 3)
    assert [finding.picture for finding in findings] == [
        *(f"pear/1{number}.jpg" for number in range(5)), None, "pear/09.jpg"
    ]  # fmt: skip
    assert str(findings[0]).startswith("pear/10.jpg: could not be read, left out: it is text;")
    assert findings[5].text == "2 more pictures could not be read, left out."
    assert findings[6].text == "the same as pear/00.jpg, left out"


def test_a_class_of_which_nothing_can_be_read_stops_with_the_reasons(
    tmp_path: Path, into: Path
) -> None:
    folder = classes(tmp_path / "fruit")
    (folder / "kiwi").mkdir()
    (folder / "kiwi" / "1.jpg").write_bytes(hostile.SVG)
    with pytest.raises(DataError) as caught:
        open_classes(folder, into)
    assert str(caught.value).splitlines() == [
        "No picture of kiwi can be used; add some, or remove the class.",
        "kiwi/1.jpg: could not be read, left out: it is an SVG drawing; use JPEG, PNG, WebP, BMP,"
        " GIF or HEIC.",
    ]


def test_pictures_on_the_wrong_side_stop(tmp_path: Path, into: Path) -> None:
    folder = classes(tmp_path / "seen")
    test = classes(tmp_path / "unseen", first=20, each=1)
    shutil.copy(folder / "pear" / "01.jpg", test / "pear" / "other name.jpg")
    shutil.copy(folder / "pear" / "00.jpg", folder / "red_apple" / "07.jpg")
    with pytest.raises(DataError) as caught:
        open_classes(folder, into, test=test)
    assert str(caught.value).splitlines() == [
        "The same picture is in two classes: pear/00.jpg and red_apple/07.jpg. Keep it in the class"
        " that it shows.",
        "A test picture is among the training ones: test/pear/other name.jpg is pear/01.jpg. Remove"
        " them from one side.",
    ]


def test_pictures_that_are_too_much_together_stop(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_folders, "MOST_BYTES_TOGETHER", 20_000)
    with pytest.raises(DataError, match=r"have more than 19\.5 kB together; take fewer or smaller"):
        open_classes(classes(tmp_path / "fruit"), into)


def test_nothing_is_decoded_before_the_classes_are_known_to_be_right(
    tmp_path: Path, into: Path
) -> None:
    with pytest.raises(DataError, match="There is one class only"):
        open_classes(classes(tmp_path / "one", names=("pear",)), into)
    folder = classes(tmp_path / "fruit")
    (folder / "kiwi").mkdir()
    with pytest.raises(DataError, match=r"A class has no picture in .* \(kiwi\)"):
        open_classes(folder, into)
    assert list(into.iterdir()) == []


def test_what_is_no_set_of_classes_is_said(tmp_path: Path, into: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "a.csv").write_text("a.txt,a")
    with pytest.raises(DataError, match=r"a\.txt is a file; give a folder of class folders, a ZIP"):
        open_classes(tmp_path / "a.txt", into)
    with pytest.raises(DataError, match=r"nothing\.zip does not exist"):
        open_classes(tmp_path / "nothing.zip", into)
    with pytest.raises(DataError, match=r"a\.csv is a table, and .* in a third column 'split'"):
        open_classes(tmp_path / "a.csv", into, test=tmp_path)
