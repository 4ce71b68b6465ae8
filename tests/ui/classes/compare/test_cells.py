"""The test pictures behind a cell of a confusion matrix."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sparse_peft.errors import RunError
from sparse_peft.ui.classes.compare.cells import cell
from sparse_peft.ui.desk.desk import Desk
from tests.ui import kept as kept_subject
from tests.ui.classes.kept_classes import OTHER, keep, plan_of


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Desk, str]:
    return keep(tmp_path, methods=("lora",), classes=4, seeds=(1, 2))


def test_every_picture_of_a_cell_is_there_with_what_each_row_said(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    prepare = desk.home / "runs" / plan_of(desk, comparison).prepare
    told = {s: load_file(prepare / f"predictions/zeroshot-s{s}.safetensors") for s in (1, 2)}
    for truth, predicted in ((0, 0), (1, 0), (3, 2)):
        found = cell(desk, comparison, "zeroshot", truth, predicted)
        expected = {
            (int(place), seed)
            for seed, one in told.items()
            for place in one["place"][(one["label"] == truth) & (one["predicted"] == predicted)]
        }
        assert found["of"] == len(expected)
        names = {f"{found['truth']}/{place:03}.jpg" for place, _ in expected}
        assert {one["name"] for one in found["pictures"]} <= names
        for one in found["pictures"]:
            assert [each["row"] for each in one["said"]] == ["zeroshot", "linear_probe", "lora"]
            assert one["said"][0]["class"] == found["predicted"]
            assert one["said"][0]["right"] == (truth == predicted)
            assert one["src"].startswith("/studio/data/toys-")
        sure = [one["said"][0]["confidence"] for one in found["pictures"]]
        assert sure == sorted(sure, reverse=True)


def test_what_a_row_said_is_what_its_file_holds(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    [run] = [one for one in plan_of(desk, comparison).runs if one.id == "lora-s2"]
    told = load_file(desk.home / "runs" / run.run / "predictions.safetensors")
    found = cell(desk, comparison, "lora", 1, 1)
    mine = [one for one in found["pictures"] if one["seed"] == 2]
    assert mine
    for one in mine:
        place = int(Path(one["name"]).stem)
        at = int(np.flatnonzero(told["place"] == place)[0])
        assert one["said"][2]["confidence"] == round(float(told["confidence"][at]), 4)


def test_there_is_no_cell_of_what_is_not_there(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    for row, truth, predicted in (("so", 0, 0), ("lora", 4, 0), ("lora", 0, -1), ("../x", 0, 0)):
        with pytest.raises(RunError, match="no such cell"):
            cell(desk, comparison, row, truth, predicted)
    with pytest.raises(RunError, match="There is no comparison"):
        cell(Desk(desk.studio, OTHER), comparison, "lora", 0, 0)


def test_a_comparison_about_one_subject_has_no_cells(tmp_path: Path) -> None:
    desk, comparison = kept_subject.keep(tmp_path)
    with pytest.raises(RunError, match="it has no classes"):
        cell(desk, comparison, "lora", 0, 0)
