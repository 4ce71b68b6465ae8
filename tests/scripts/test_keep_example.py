"""Keeping a finished comparison as the project's example: what stays and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keep_example
import pytest

from sparse_peft import compare
from sparse_peft.metrics.answers import accuracy
from sparse_peft.report.classes.predictions import read_predictions
from tests import fake_classes, fake_outcome

Keep = Callable[[dict[str, Any]], int]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    maker = fake_classes.Maker(tmp_path / "made", classes=3, each=8, seeds=(1, 2))
    compare.write(tmp_path / "out", maker.comparison(methods=("lora",)))
    return tmp_path / "out"


@pytest.fixture
def value(out: Path) -> dict[str, Any]:
    return json.loads((out / "comparison.json").read_text())  # type: ignore[no-any-return]


def kept_in(root: Path, **other: Any) -> keep_example.Kept:
    return replace(keep_example.CLASSES, target=root / "kept", **other)


def test_of_classes_what_the_page_shows_stays(
    out: Path, value: dict[str, Any], tmp_path: Path
) -> None:
    kept = kept_in(tmp_path)
    size = keep_example.keep(out, kept, keep_example.written(value))
    files = [path for path in kept.target.rglob("*") if path.is_file()]
    assert size == sum(path.stat().st_size for path in files)
    names = {path.relative_to(kept.target).as_posix() for path in files}
    changes = {"changes/lora-s1.png", "changes/lora-s2.png"}
    shown = set(value["examples"].values())
    assert names == {"comparison.json", "predictions.csv"} | changes | shown
    read = json.loads((kept.target / "comparison.json").read_text())
    assert {run["adapter"] for row in read["runs"] for run in row["runs"]} == {None}
    assert read["pairs"] == value["pairs"]
    told = read_predictions(kept.target / "predictions.csv", read["classes"])
    for row in read["runs"]:
        for run in row["runs"]:
            assert accuracy(told[row["method"]][run["seed"]]) == run["accuracy"]


def test_what_is_too_large_or_names_this_machine_is_refused(
    out: Path, value: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="more than 1000"):
        keep_example.keep(out, kept_in(tmp_path, largest=1000), keep_example.written(value))
    value["command"] += f" --out {out}"
    kept = kept_in(tmp_path / "other")
    with pytest.raises(SystemExit, match="a path of this machine"):
        keep_example.keep(out, kept, keep_example.written(value))
    assert not kept.target.exists()


def test_of_one_subject_samples_stay_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = fake_outcome.Maker(tmp_path / "made", prompts=2)
    value = compare.write(out, made.comparison(methods=("lora",)))
    kept = replace(keep_example.SUBJECT, target=tmp_path / "kept")
    keep_example.keep(out, kept, keep_example.written(value))
    assert {path.name for path in kept.target.iterdir()} == {
        "comparison.json", "samples", "pictures", "changes"
    }  # fmt: skip
    for path in out.glob("samples/**/*.png"):
        assert (kept.target / path.relative_to(out)).read_bytes() == path.read_bytes()
