"""The finished comparison that comes with the project."""

import json
from pathlib import Path

import pytest
from PIL import Image

from sparse_peft import __main__, compare

FOLDER = Path(__file__).parents[1] / "examples" / "comparison"
LARGEST = 2_000_000


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
