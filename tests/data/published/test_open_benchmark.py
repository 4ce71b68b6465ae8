"""The 11 published sets are opened where they lie, and a tree that is wrong is found at once."""

import json
import os
from pathlib import Path

import pytest

from sparse_peft.data.labelled import Labelled
from sparse_peft.data.published.benchmarks import NAMES, open_benchmark, template
from sparse_peft.data.published.layouts import LAYOUTS, layout_named
from tests.data.published_trees import (
    coop_pickle,
    plant,
    plant_imagenet,
    refusal,
    rewrite,
    shots_of,
    split_of,
    touch,
)

OTHER_SPELLINGS = [  # the folders that CLIP-LoRA and SO look for
    ("caltech101", "Caltech101"),
    ("oxford_pets", "OxfordPets"),
    ("stanford_cars", "StanfordCars"),
    ("oxford_flowers", "Flower102"),
    ("food101", "Food101"),
    ("sun397", "SUN397"),
    ("dtd", "DTD"),
    ("ucf101", "UCF101"),
    ("eurosat", "EuroSAT"),
    ("fgvc_aircraft", "FGVC-Aircraft"),
]


def counts(labelled: Labelled) -> dict[str, tuple[int, ...]]:
    return {split: labelled.counts(split) for split in ("train", "val", "test")}


@pytest.fixture
def eurosat(tmp_path: Path) -> Path:
    return plant("eurosat", tmp_path)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "imagenet"])
def test_a_set_is_opened_as_datasets_md_lays_it_out(name: str, tmp_path: Path) -> None:
    home = plant(name, tmp_path)
    labelled, findings = open_benchmark(name, tmp_path)
    assert labelled.classes == ("first thing", "second", "third thing")
    assert (labelled.title, labelled.root, labelled.drawn) == (name, str(home), {})
    assert counts(labelled) == {"train": (4, 4, 4), "val": (2, 2, 2), "test": (3, 3, 3)}
    assert all((home / picture.file).is_file() for picture in labelled.pictures)
    expected = [(row[0], row[1]) for rows in split_of(name).values() for row in rows]
    images = layout_named(name).images
    opened = [(picture.file, picture.label) for picture in labelled.pictures]
    assert opened == [(f"{images}/{file}" if images else file, label) for file, label in expected]
    assert [str(finding) for finding in findings] == [
        f"{name} has {layout_named(name).classes} classes, and 3 are here: accuracies do not"
        " compare with published ones."
    ]


@pytest.mark.parametrize(("name", "folder"), OTHER_SPELLINGS)
def test_the_other_spelling_of_the_folder_is_found(name: str, folder: str, tmp_path: Path) -> None:
    home = plant(name, tmp_path, folder)
    assert open_benchmark(name, tmp_path)[0].root == str(home)


@pytest.mark.parametrize("images", ["images", ""])
def test_both_layouts_of_imagenet_are_opened(images: str, tmp_path: Path) -> None:
    (tmp_path / "ImageNet").mkdir()
    plant_imagenet(tmp_path / "ImageNet", images)
    touch(tmp_path / "ImageNet" / images / "train" / "n01440764" / ".DS_Store")
    touch(tmp_path / "ImageNet" / images / "train" / "n01440764" / "boxes.txt")
    labelled, _ = open_benchmark("ImageNet", tmp_path)
    assert labelled.classes == ("tench", "missile", "missile")
    assert counts(labelled) == {"train": (4, 4, 4), "val": (0, 0, 0), "test": (3, 3, 3)}
    start = f"{images}/" if images else ""
    assert labelled.pictures[0].file == f"{start}train/n01440764/n01440764_0.JPEG"
    assert labelled.pictures[-1].label == 2


def test_a_set_of_all_its_classes_needs_no_word(tmp_path: Path) -> None:
    home = plant("eurosat", tmp_path)
    rows = [[f"c{label}/{label}.jpg", label, f"class {label}"] for label in range(10)]
    tests = [[f"t{label}/{label}.jpg", label, f"class {label}"] for label in range(10)]
    for file, _, _ in rows + tests:
        touch(home / "2750" / file)
    rewrite(home, json.dumps({"train": rows, "val": [], "test": tests}))
    labelled, findings = open_benchmark("eurosat", tmp_path)
    assert (len(labelled.classes), findings) == (10, ())


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("fgvc", "fgvc_aircraft"),
        ("FGVC-Aircraft", "fgvc_aircraft"),
        ("EuroSAT", "eurosat"),
        ("oxford-pets", "oxford_pets"),
        ("Flower102", "oxford_flowers"),
        ("DescribableTextures", "dtd"),
        ("food-101", "food101"),
    ],
)
def test_a_set_answers_to_the_names_people_use(typed: str, name: str) -> None:
    assert layout_named(typed).name == name


def test_no_name_means_two_sets() -> None:
    spellings = [spelling for layout in LAYOUTS for spelling in layout.spellings]
    assert len(spellings) == len(set(spellings))


def test_an_unknown_name_gets_the_nearest_and_all(tmp_path: Path) -> None:
    text = refusal("eurosta", tmp_path)
    assert text.startswith("There is no published set 'eurosta'. Did you mean 'eurosat'? Known:")
    assert all(name in text for name in NAMES)
    assert "Did you mean" not in refusal("zzzzzzzz", tmp_path)


def test_templates_are_those_of_coop() -> None:
    assert {name: template(name) for name in NAMES} == {
        "imagenet": "a photo of a {}.",
        "caltech101": "a photo of a {}.",
        "oxford_pets": "a photo of a {}, a type of pet.",
        "stanford_cars": "a photo of a {}.",
        "oxford_flowers": "a photo of a {}, a type of flower.",
        "food101": "a photo of {}, a type of food.",
        "fgvc_aircraft": "a photo of a {}, a type of aircraft.",
        "sun397": "a photo of a {}.",
        "dtd": "{} texture.",
        "eurosat": "a centered satellite photo of {}.",
        "ucf101": "a photo of a person doing {}.",
    }
    assert template("FGVC") == template("fgvc_aircraft")


def test_a_missing_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    plant("dtd", tmp_path)
    text = refusal("oxford_flowers", tmp_path)
    assert "oxford_flowers/ or Flower102/ or Flowers102/ was looked for, and dtd is there." in text
    plant("eurosat", tmp_path)
    assert "was looked for, and dtd, eurosat are there." in refusal("oxford_flowers", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "and no folder is there." in refusal("dtd", tmp_path / "empty")
    assert "does not exist" in refusal("dtd", tmp_path / "nowhere")
    touch(tmp_path / "file")
    assert "is a file" in refusal("dtd", tmp_path / "file")


def test_of_two_folders_the_one_with_the_split_is_used(tmp_path: Path) -> None:
    (tmp_path / "caltech-101").mkdir()
    home = plant("caltech101", tmp_path, "Caltech101")
    labelled, findings = open_benchmark("caltech101", tmp_path)
    assert labelled.root == str(home)
    assert str(findings[0]) == f"{home} is used, and caltech-101 beside it is not."


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_split_file_is_told_and_none_is_made_up(name: str, tmp_path: Path) -> None:
    home = plant(name, tmp_path)
    split = home / layout_named(name).split
    split.unlink()
    before = sorted(home.iterdir())
    text = refusal(name, tmp_path)
    assert text.startswith(f"{split} is missing")
    assert "CoOp's DATASETS.md" in text
    assert sorted(home.iterdir()) == before


@pytest.mark.parametrize("name", [name for name in NAMES if name != "imagenet"])
def test_a_missing_picture_is_named_and_where_it_belongs(name: str, tmp_path: Path) -> None:
    home = plant(name, tmp_path)
    missing = home / layout_named(name).images / split_of(name)["val"][3][0]
    missing.unlink()
    text = refusal(name, tmp_path)
    assert text.startswith(f"{missing} does not exist, though the published split names it for val")
    assert str(home / layout_named(name).images) in text


def test_of_a_large_set_the_ends_of_each_split_are_looked_for(eurosat: Path) -> None:
    def enlarge(split: dict[str, list[list[object]]]) -> None:
        many = [[f"second/unseen_{number}.jpg", 1, "second"] for number in range(2000)]
        split["train"] = [split["train"][0], *many, split["train"][-1]]

    rewrite(eurosat, enlarge)
    labelled, _ = open_benchmark("eurosat", eurosat.parent)
    assert len(labelled.pictures) > 2000
    last = eurosat / labelled.pictures[2001].file
    last.unlink()
    assert refusal("eurosat", eurosat.parent).startswith(f"{last} does not exist")


def test_linked_sets_are_followed(eurosat: Path, tmp_path: Path) -> None:
    os.rename(eurosat, tmp_path / "elsewhere")
    eurosat.symlink_to(tmp_path / "elsewhere")
    assert open_benchmark("eurosat", tmp_path)[0].root == str(eurosat)


def test_a_set_in_place_is_saved_and_loaded(eurosat: Path, tmp_path: Path) -> None:
    labelled, _ = open_benchmark("eurosat", tmp_path)
    folder = labelled.save(tmp_path, tmp_path / "data")
    assert [path.suffix for path in folder.rglob("*.*")] == [".json", ".json"]
    assert Labelled.load(folder) == labelled
    assert labelled.home(folder) == eurosat


def test_published_draws_come_with_the_set(eurosat: Path) -> None:
    (eurosat / "split_fewshot").mkdir()
    rows = shots_of(split_of("eurosat"), 1)
    data = coop_pickle(rows, "eurosat/2750")
    (eurosat / "split_fewshot" / "shot_1-seed_2.pkl").write_bytes(data)
    labelled, findings = open_benchmark("eurosat", eurosat.parent)
    assert labelled.drawn == {"1-2": (0, 4, 8)}
    assert str(findings[-1]) == (
        "Shots are drawn as published for these: eurosat/split_fewshot/shot_1-seed_2.pkl."
    )
