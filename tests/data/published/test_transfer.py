"""FGVC and VTAB-1k are opened where they lie, in the folders of SNELL's and of VPT's README."""

import json
from pathlib import Path

import pytest

from sparse_peft.data.published.benchmarks import open_benchmark, template
from sparse_peft.data.published.transfer import LAYOUTS, NAMES, joins_val
from sparse_peft.data.shots import draw
from sparse_peft.errors import DataError

VTAB = [layout for layout in LAYOUTS if layout.name.startswith("vtab/")]
FGVC = [layout for layout in LAYOUTS if layout.name.startswith("fgvc/")]
BIRDS = {
    "train": {"001.Laysan_Albatross/a.jpg": 4, "002.Crested_Auklet/b.jpg": 7,
              "002.Crested_Auklet/c.jpg": 7, "010.Boat_tail/d.jpg": 9},
    "val": {"002.Crested_Auklet/e.jpg": 7, "010.Boat_tail/f.jpg": 9},
    "test": {"001.Laysan_Albatross/g.jpg": "4", "010.Boat_tail/h.jpg": 9},
}  # fmt: skip


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no picture")


def plant_vtab(folder: Path, labels: tuple[int, ...] = (0, 1)) -> Path:
    """A few lines of each list, and the files that they name."""
    made = {"train800": 3, "val200": 1, "test": 2}
    every = []
    for name, count in made.items():
        files = [f"images/{name}/{number}_{label}.png" for label in labels
                 for number in range(count)]  # fmt: skip
        lines = [f"{file} {file.rpartition('_')[2].removesuffix('.png')}\n" for file in files]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text("".join(lines))
        every += lines if name != "test" else []
        for file in files:
            touch(folder / file)
    (folder / "train800val200.txt").write_text("".join(every))
    return folder


def plant_fgvc(folder: Path, images: str) -> Path:
    for split, table in BIRDS.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.json").write_text(json.dumps(table))
        for file in table:
            touch(folder / images / file)
    return folder


def test_they_are_24() -> None:
    assert (len(NAMES), len(FGVC), len(VTAB)) == (24, 5, 19)
    assert sum(layout.classes for layout in FGVC) == 200 + 555 + 102 + 120 + 196


@pytest.mark.parametrize("layout", VTAB, ids=lambda layout: layout.name)
@pytest.mark.parametrize("below", ["vtab-1k", "vtab", ""])
def test_a_set_of_vtab_is_read_by_its_lists(layout: object, below: str, tmp_path: Path) -> None:
    name = str(getattr(layout, "name", ""))
    home = plant_vtab(tmp_path / below / name.removeprefix("vtab/"))
    labelled, findings = open_benchmark(name, tmp_path)
    assert (labelled.title, labelled.root) == (name, str(home))
    assert labelled.classes == ("class 0", "class 1")
    counts = {split: labelled.counts(split) for split in ("train", "val", "test")}  # type: ignore[arg-type]
    assert counts == {"train": (3, 3), "val": (1, 1), "test": (2, 2)}
    assert all((home / picture.file).is_file() for picture in labelled.pictures)
    assert "number its classes" in str(findings[-1])
    assert joins_val(labelled.title)
    published = draw(labelled, None, 1, None, ("train", "val"), "test")
    assert (len(published.train), len(published.test)) == (8, 4)
    chosen = draw(labelled, None, 1, None, ("train",), "val")
    assert (len(chosen.train), len(chosen.test)) == (6, 2)


@pytest.mark.parametrize("layout", FGVC, ids=lambda layout: layout.name)
def test_a_set_of_fgvc_is_found_by_either_name(layout: object, tmp_path: Path) -> None:
    name, folders = str(getattr(layout, "name", "")), getattr(layout, "folders", ())
    images = str(getattr(layout, "images", ""))
    for place, folder in enumerate(folders):
        for below in ("fgvc", "FGVC", ""):
            root = tmp_path / f"{place}{below}"
            home = plant_fgvc(root / below / folder, images)
            labelled, _ = open_benchmark(name, root)
            assert (labelled.title, labelled.root) == (name, str(home))
            assert labelled.pictures[0].file.startswith(f"{images}/" if images else "001.")
            assert not joins_val(labelled.title)


def test_classes_are_numbered_over_all_splits(tmp_path: Path) -> None:
    """val lacks the first class; numbered by itself, all of its others would be shifted."""
    plant_fgvc(tmp_path / "cub", "images")
    labelled, findings = open_benchmark("fgvc/cub", tmp_path)
    assert labelled.classes == ("Laysan Albatross", "Crested Auklet", "Boat tail")
    assert labelled.counts("val") == (0, 1, 1)
    assert {p.file: p.label for p in labelled.pictures}["images/002.Crested_Auklet/e.jpg"] == 1
    assert "200 classes, and 3 are here" in str(findings[0])
    assert len(findings) == 1
    kept = draw(labelled, None, 1, None, ("train",), "val")
    assert len(kept.test) == 2  # a class without a picture there does not stop it


def test_paths_may_start_from_the_sets_own_folder(tmp_path: Path) -> None:
    plant_fgvc(tmp_path / "stanforddog", "")
    labelled, _ = open_benchmark("fgvc/stanforddog", tmp_path)
    assert labelled.pictures[0].file == "001.Laysan_Albatross/a.jpg"


def test_classes_that_no_folder_names_have_numbers(tmp_path: Path) -> None:
    home = tmp_path / "oxfordflower"
    for split, number in (("train", 1), ("val", 2), ("test", 3)):
        table = {f"jpg/image_{number}{label}.jpg": label for label in (1, 2)}
        home.mkdir(exist_ok=True)
        (home / f"{split}.json").write_text(json.dumps(table))
        for file in table:
            touch(home / file)
    assert open_benchmark("fgvc/oxfordflower", tmp_path)[0].classes == ("class 0", "class 1")
    assert template("fgvc/oxfordflower") == "a photo of a {}."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("test.txt", None), "test.txt is missing"),
        (("val200.txt", ""), "val200.txt names no picture"),
        (("train800.txt", "a.png\n"), "expected a path and the number of a class"),
        (("train800.txt", "a.png 10\n"), "has the label 10; vtab/svhn has the labels 0 to 9"),
        (("train800.txt", "a.png 99999999999\n"), "has the label 99999999999"),
        (("train800.txt", "../a.png 1\n"), "is not a path below the folder"),
        (("train800.txt", "a.png 1\n"), "a.png does not exist"),
        (("val200.txt", "images/test/0_0.png 0\n"), "a picture belongs to one split, once"),
    ],
)
def test_a_wrong_list_of_vtab_is_named(
    change: tuple[str, str | None], words: str, tmp_path: Path
) -> None:
    home, (file, text) = plant_vtab(tmp_path / "svhn"), change
    if text is None:
        (home / file).unlink()
    else:
        (home / file).write_text(text)
    with pytest.raises(DataError) as caught:
        open_benchmark("vtab/svhn", tmp_path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "val.json is missing"),
        ({}, "val.json names no picture"),
        ({"x.jpg": "a"}, "that is no number"),
        ({"x.jpg": True}, "that is no number"),
        ({"/etc/x.jpg": 1}, "is not a path below the folder"),
    ],
)
def test_a_wrong_table_of_fgvc_is_named(table: object, words: str, tmp_path: Path) -> None:
    home = plant_fgvc(tmp_path / "nabirds", "images")
    (home / "val.json").unlink()
    if table is not None:
        (home / "val.json").write_text(json.dumps(table))
    with pytest.raises(DataError) as caught:
        open_benchmark("fgvc/nabirds", tmp_path)
    assert words in str(caught.value)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for name, words in (
        ("vtab/cifra", "Did you mean 'vtab/cifar'?"),
        ("fgvc/" + "x" * 5000, "There is no set 'fgvc/xxx"),
        ("vtab/dtd", "has no folder of vtab/dtd: dtd/ was looked for"),
    ):
        with pytest.raises(DataError) as caught:
            open_benchmark(name, tmp_path)
        assert words in str(caught.value)
    (tmp_path / "dtd").mkdir()
    with pytest.raises(DataError, match="told by its split files"):
        open_benchmark("vtab/dtd", tmp_path)
    with pytest.raises(DataError, match="does not exist; give the folder of the data sets"):
        open_benchmark("vtab/dtd", tmp_path / "nowhere")


def test_several_folders_that_are_there_are_named(tmp_path: Path) -> None:
    for name in ("cifar", "svhn"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"or vtab, and cifar, svhn are there\.$"):
        open_benchmark("vtab/dtd", tmp_path)


def test_a_picture_whose_name_no_disk_could_hold_is_missing(tmp_path: Path) -> None:
    home = plant_fgvc(tmp_path / "nabirds", "images")
    (home / "train.json").write_text(json.dumps({"x" * 300 + ".jpg": 1}))
    with pytest.raises(DataError, match="does not exist, though the published split names it"):
        open_benchmark("fgvc/nabirds", tmp_path)
