"""The finished comparisons that come with the project: of one subject, and of classes."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from sparse_peft import __main__, compare
from sparse_peft.metrics.answers import accuracy
from sparse_peft.report.classes.predictions import read_predictions

FOLDER = Path(__file__).parents[1] / "examples" / "comparison"
CLASSES = FOLDER.parent / "classes_comparison"
ANIMALS = FOLDER.parent / "classes" / "test"
LARGEST, LARGEST_OF_CLASSES = 2_000_000, 1_500_000


@pytest.fixture(scope="module")
def value() -> dict:
    return json.loads((FOLDER / "comparison.json").read_text(encoding="utf-8"))


def test_it_is_small_and_of_the_current_format(value: dict) -> None:
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < LARGEST
    assert value["format"] == compare.FORMAT
    assert [run["state"] for run in value["runs"]] == ["finished"] * 3
    assert {run["method"] for run in value["runs"]} == {"waveft", "lora", "so"}


def test_every_picture_that_it_names_is_there(value: dict) -> None:
    holders = [value["base"], *value["runs"]]
    paths = [row["path"] for h in holders for row in h["samples"] + h.get("history", [])]
    paths += value["pictures"] + [run["change"] for run in value["runs"]]
    assert len(paths) == 24 * 4 + 8 * 3 + 5 + 3
    for path in paths:
        with Image.open(FOLDER / path) as picture:
            picture.verify()


def test_each_method_came_nearer_to_the_subject_than_the_base(value: dict) -> None:
    base = value["base"]["metrics"]["subject_fidelity"]
    for run in value["runs"]:
        assert run["metrics"]["subject_fidelity"]["low"] > base["high"]


def test_its_page_can_be_written(tmp_path: Path) -> None:
    page = tmp_path / "example.html"
    asked = ["report", "--comparison", str(FOLDER), "--out", str(page)]
    assert __main__.main(asked) == 0
    assert "emoji-like" in page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def classes() -> dict:
    return json.loads((CLASSES / "comparison.json").read_text(encoding="utf-8"))


def test_that_of_classes_is_small_finished_and_of_the_current_format(classes: dict) -> None:
    files = [path for path in CLASSES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_OF_CLASSES
    assert {path.relative_to(CLASSES).parts[0] for path in files} == {
        "comparison.json", "predictions.csv", "pictures", "changes"
    }  # fmt: skip
    assert (classes["format"], classes["task"]) == (compare.FORMAT, "fewshot")
    assert {row["method"] for row in classes["runs"]} >= {"zeroshot", "lora", "waveft", "so"}
    runs = [run for row in classes["runs"] for run in row["runs"]]
    assert {run["state"] for run in runs} == {"finished"}
    assert {run["adapter"] for run in runs} == {None}
    assert sorted(classes["classes"]) == sorted(path.name for path in ANIMALS.iterdir())


def test_that_of_classes_names_no_path_of_a_machine(classes: dict) -> None:
    assert re.findall(r"(?:^|[\s\"'=,])(?:/\w+/|~/|[A-Z]:\\)", _texts(classes)) == []
    table = (CLASSES / "predictions.csv").read_text(encoding="utf-8")
    assert re.findall(r"(?:^|[,\"])(?:/|~/|[A-Z]:\\)", table, re.M) == []


def test_that_of_classes_has_its_pictures(classes: dict) -> None:
    maps = [run["change"] for row in classes["runs"] for run in row["runs"] if run["run"]]
    paths = [*classes["examples"].values(), *maps]
    assert len(set(paths)) == len(paths) == sum(1 for _ in CLASSES.rglob("*.png"))
    for path in paths:
        with Image.open(CLASSES / path) as picture:
            picture.verify()


def test_that_of_classes_counts_what_was_said_of_its_pictures(classes: dict) -> None:
    told = read_predictions(CLASSES / "predictions.csv", classes["classes"])
    assert list(told) == [row["method"] for row in classes["runs"]]
    for row in classes["runs"]:
        found = {run["seed"]: run["accuracy"] for run in row["runs"]}
        assert {seed: accuracy(one) for seed, one in told[row["method"]].items()} == found


def test_in_that_of_classes_a_method_is_clearly_beyond_zero_shot(classes: dict) -> None:
    words = {pair["a"]: (pair["word"], pair["difference"]["mean"] > 0) for pair in classes["pairs"]
             if pair["b"] == "zeroshot"}  # fmt: skip
    assert ("Clear", True) in (words["lora"], words["waveft"], words["so"])


def test_the_page_of_that_of_classes_can_be_written(tmp_path: Path) -> None:
    page = tmp_path / "example.html"
    assert __main__.main(["report", "--comparison", str(CLASSES), "--out", str(page)]) == 0
    assert "zero-shot" in page.read_text(encoding="utf-8")


def _texts(value: object) -> str:
    """All texts of a comparison, a line each."""
    if isinstance(value, dict):
        return "\n".join(_texts(each) for each in value.values())
    if isinstance(value, list):
        return "\n".join(_texts(each) for each in value if isinstance(each, (str, list, dict)))
    return value if isinstance(value, str) else ""
