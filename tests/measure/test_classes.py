"""Answers of few-shot runs: whole and about the draw's pictures, or damage in a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import RunError
from sparse_peft.measure.classes import (
    METRICS,
    confusion,
    metrics,
    most_confused,
    read_prepared,
    read_run,
)
from tests.fake_classes import Maker


@pytest.fixture
def outcome(tmp_path: Path) -> ClassesOutcome:
    maker = Maker(tmp_path, classes=6, seeds=(1, 2), base_to_new=True)
    return maker.comparison(methods=("lora",))


def damage(file: Path, how: str) -> None:
    """Make one thing wrong in a file of answers."""
    told = load_file(file)
    if how == "torn":
        file.write_bytes(b"torn")
        return
    if how == "absent":
        del told["top"]
    elif how == "places":
        told["place"][0] = 999
    elif how == "short":
        told = {name: rows[1:] for name, rows in told.items()}
    elif how == "label":
        told["label"][:2] = told["label"][:2][::-1] + 1
    elif how == "predicted":
        told["predicted"][0] = 6
    elif how == "nan":
        told["confidence"][0] = np.nan
    elif how == "above":
        told["top_confidence"][0, 0] = 1.5
    elif how == "length":
        told["confidence"] = told["confidence"][1:]
    elif how == "top":
        told["top"] = np.ascontiguousarray(told["top"][:, :3])
    save_file(told, file)


DAMAGES = ("torn", "absent", "places", "short", "label", "predicted", "nan", "above", "length",
           "top")  # fmt: skip


def test_answers_stand_by_place(outcome: ClassesOutcome) -> None:
    prepared = read_prepared(outcome)
    file = outcome.runs[0].folder / "predictions.safetensors"
    told = load_file(file)
    save_file({name: np.ascontiguousarray(rows[::-1]) for name, rows in told.items()}, file)
    found = read_run(outcome.runs[0].folder, 1, outcome, prepared)
    np.testing.assert_array_equal(found.answers.place, told["place"])
    np.testing.assert_array_equal(found.answers.predicted, told["predicted"])
    assert found.report["method"] == "lora"
    assert found.new is not None


@pytest.mark.parametrize("name", ["predictions", "predictions-new"])
@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_answers_are_an_error(outcome: ClassesOutcome, name: str, how: str) -> None:
    prepared = read_prepared(outcome)
    folder = outcome.runs[0].folder
    damage(folder / f"{name}.safetensors", how)
    with pytest.raises(RunError, match=r"lora-s1 is damaged"):
        read_run(folder, 1, outcome, prepared)


@pytest.mark.parametrize(
    "file", ["report.json", "draws.json", "predictions/zeroshot-s2.safetensors"]
)
def test_a_prepare_run_without_a_part_is_damaged(outcome: ClassesOutcome, file: str) -> None:
    (outcome.prepare / file).unlink()
    with pytest.raises(RunError, match="is damaged"):
        read_prepared(outcome)


def test_a_prepare_run_of_other_seeds_is_damaged(outcome: ClassesOutcome) -> None:
    draws = json.loads((outcome.prepare / "draws.json").read_text())
    (outcome.prepare / "draws.json").write_text(json.dumps({"1": draws["1"]}))
    with pytest.raises(RunError, match="is damaged"):
        read_prepared(outcome)


def test_references_that_disagree_on_labels_are_damaged(outcome: ClassesOutcome) -> None:
    file = outcome.prepare / "predictions" / "linear_probe-s1.safetensors"
    told = load_file(file)
    told["label"] = np.ascontiguousarray((told["label"] + 1) % 6)
    save_file(told, file)
    with pytest.raises(RunError, match="labels"):
        read_prepared(outcome)


def test_metrics_of_a_row_are_named_and_typed(outcome: ClassesOutcome) -> None:
    prepared = read_prepared(outcome)
    row = [read_run(run.folder, run.settings["seed"], outcome, prepared) for run in outcome.runs]
    found = metrics(row, outcome)
    assert tuple(found) == METRICS
    for value in (found.pop("per_class")["boat"], *found.values()):
        assert set(value) == {"mean", "low", "high"}
        assert 0.0 <= value["low"] <= value["mean"] <= value["high"] <= 1.0
    assert metrics([], outcome) == dict.fromkeys(METRICS)


def test_the_most_confused_are_the_largest_beside_the_diagonal(outcome: ClassesOutcome) -> None:
    counts = np.array([[9, 1, 0], [4, 5, 0], [0, 2, 7]])
    assert most_confused(counts) == [
        {"truth": 1, "predicted": 0, "count": 4, "of": 9},
        {"truth": 2, "predicted": 1, "count": 2, "of": 9},
        {"truth": 0, "predicted": 1, "count": 1, "of": 10},
    ]
    row = list(read_prepared(outcome).references["zeroshot"].values())
    assert confusion(row, 6).sum() == sum(len(one.answers.place) for one in row)
