"""Labelled classes are named by their content, saved whole and loaded unchanged."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.data.labelled import Labelled, LabelledPicture, png_name
from sparse_peft.errors import DataError, SpecError
from sparse_peft.files import verify_folder
from tests.data import hostile


def own(decoded: Path) -> Labelled:
    """Two classes of two pictures, whose PNGs lie in `decoded`."""
    decoded.mkdir(exist_ok=True)
    pictures = []
    for seed in range(4):
        png = hostile.encoded(hostile.scene(seed=seed), "PNG")
        sha256 = hashlib.sha256(png).hexdigest()
        (decoded / png_name(sha256)).write_bytes(png)
        label = seed // 2
        name = f"{'ab'[label]}/{seed}.jpg"
        pictures.append(LabelledPicture(png_name(sha256), label, "pool", name, sha256))
    return Labelled(("a", "b"), tuple(pictures), "My Fruit!")


def in_place(root: Path) -> Labelled:
    pictures = (
        LabelledPicture("a/1.jpg", 0, "train", "a/1.jpg"),
        LabelledPicture("b/1.jpg", 1, "test", "b/1.jpg"),
    )
    return Labelled(("a", "b"), pictures, "EuroSAT", str(root), {"4-1": (0,)})


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    labelled = own(tmp_path / "decoded")
    saved = labelled.save(tmp_path / "decoded", tmp_path / "data")
    assert saved == tmp_path / "data" / labelled.id
    assert {path.name for path in saved.iterdir()} == {
        "data.json", "manifest.json", *(picture.file for picture in labelled.pictures)
    }  # fmt: skip
    verify_folder(saved)
    assert Labelled.load(saved) == labelled
    assert labelled.home(saved) == saved


def test_of_a_set_in_place_only_the_list_is_saved(tmp_path: Path) -> None:
    root = tmp_path / "eurosat"
    root.mkdir()
    labelled = in_place(root)
    saved = labelled.save(tmp_path / "not read", tmp_path / "data")
    assert {path.name for path in saved.iterdir()} == {"data.json", "manifest.json"}
    assert Labelled.load(saved) == labelled
    assert labelled.home(saved) == root
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"eurosat is not there any more, and .* 'EuroSAT' stay"):
        Labelled.load(saved)


def test_the_id_follows_from_the_content(tmp_path: Path) -> None:
    labelled = own(tmp_path / "decoded")
    others = (
        dataclasses.replace(labelled, classes=("a", "c")),
        dataclasses.replace(labelled, pictures=labelled.pictures[:3]),
        dataclasses.replace(labelled, drawn={"1-1": (0, 2)}),
    )
    assert labelled.id == own(tmp_path / "decoded").id
    assert labelled.id.startswith("my-fruit-")
    assert len({labelled.id, *(other.id for other in others)}) == 4
    assert dataclasses.replace(labelled, title="??").id.startswith("classes-")


def test_pictures_are_counted_and_placed_by_class_and_split(tmp_path: Path) -> None:
    labelled = own(tmp_path / "decoded")
    first = dataclasses.replace(labelled.pictures[0], split="test")
    labelled = dataclasses.replace(labelled, pictures=(first, *labelled.pictures[1:]))
    assert labelled.counts("pool") == (1, 2)
    assert labelled.counts("pool", "test") == (2, 2)
    assert labelled.places(0, "pool", "test") == [1, 0]
    assert labelled.counts("val") == (0, 0)


def test_saving_twice_writes_once_and_mends_what_is_damaged(tmp_path: Path) -> None:
    labelled = own(tmp_path / "decoded")
    saved = labelled.save(tmp_path / "decoded", tmp_path / "data")
    before = saved.stat().st_ino
    assert labelled.save(tmp_path / "decoded", tmp_path / "data").stat().st_ino == before
    (saved / labelled.pictures[0].file).write_bytes(b"damage")
    assert labelled.save(tmp_path / "decoded", tmp_path / "data").stat().st_ino != before
    assert Labelled.load(saved) == labelled


def test_nothing_is_half_saved(tmp_path: Path) -> None:
    labelled = own(tmp_path / "decoded")
    (tmp_path / "decoded" / labelled.pictures[2].file).unlink()
    with pytest.raises(FileNotFoundError):
        labelled.save(tmp_path / "decoded", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"other", None])
def test_a_damaged_picture_is_noticed(tmp_path: Path, damage: bytes | None) -> None:
    labelled = own(tmp_path / "decoded")
    saved = labelled.save(tmp_path / "decoded", tmp_path / "data")
    file = saved / labelled.pictures[1].file
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    with pytest.raises(DataError, match=f"{file.name} is missing or damaged"):
        Labelled.load(saved)


ROW = ["0" * 16 + ".png", 0, "pool", "a/1.jpg", "0" * 64]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "is of another format; expected 1 of kind labelled"),
        ({"kind": "subject"}, "is of another format"),
        ({"color": "red"}, "unknown setting 'color'"),
        ({"classes": []}, "at least one class and one picture"),
        ({"pictures": []}, "at least one class and one picture"),
        ({"pictures": None}, ".pictures is missing; expected a list"),
        ({"pictures": [ROW[:4]]}, ".pictures[0] is no picture"),
        ({"pictures": [[*ROW[:1], True, *ROW[2:]]]}, ".pictures[0] is no picture"),
        ({"pictures": [[*ROW[:1], 2, *ROW[2:]]]}, "pictures[0].label is 2; expected 0 to 1"),
        (
            {"pictures": [[*ROW[:2], "dev", *ROW[3:]]]},
            "pictures[0].split is 'dev'; expected one of pool",
        ),
        ({"pictures": [["../../etc/passwd", *ROW[1:]]]}, "expected the name that follows from"),
        ({"pictures": [[*ROW[:4], "zz"]]}, "expected the name that follows from its sha256"),
        ({"drawn": {"four": [0]}}, "drawn holds 'four'; expected SHOTS-SEED"),
        ({"drawn": {"4-1": [9]}}, "drawn['4-1'] names a picture that is not there"),
        ({"root": "here"}, "root 'here' is not an absolute path"),
    ],
)
def test_a_data_file_that_was_changed_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = own(tmp_path / "decoded").save(tmp_path / "decoded", tmp_path / "data") / "data.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((DataError, SpecError)) as caught:
        Labelled.load(path.parent)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("file", ["../a.jpg", "/etc/passwd", ""])
def test_a_set_in_place_names_nothing_outside_its_root(tmp_path: Path, file: str) -> None:
    with pytest.raises(SpecError, match="expected a path below the root"):
        Labelled(("a",), (LabelledPicture(file, 0, "train", "a"),), "x", str(tmp_path))
