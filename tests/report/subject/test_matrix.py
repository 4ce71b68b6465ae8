"""The matrix while it trains: what is drawn, what is to come, and where pictures come from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.report.pictures import Sources
from sparse_peft.report.subject import sections
from sparse_peft.report.subject.matrix import matrix, matrix_data
from sparse_peft.report.subject.steps import MOST_STOPS, all_steps, due
from tests.fake_outcome import Maker


def address(path: str) -> str:
    return f"/files/{path}?a=1&b=2"


@pytest.fixture
def value(tmp_path: Path) -> dict[str, Any]:
    """LoRA finished, WaveFT interrupted at 120, SO at work at 60."""
    maker = Maker(tmp_path, prompts=2)
    outcome = maker.comparison(methods=("lora",))
    others = (maker.unfinished("waveft"), maker.unfinished("so", last=60, state="running"))
    return compare.assemble(replace(outcome, runs=(*outcome.runs, *others)))


def test_pictures_come_from_the_source(value: dict[str, Any]) -> None:
    text = matrix(value, address)
    assert 'src="/files/samples/base/p00-s0.png?a=1&amp;b=2"' in text
    assert 'src="/files/changes/lora.png?a=1&amp;b=2"' in text
    assert "data:" not in text
    assert "/files/pictures/01.png?a=1&amp;b=2" in sections.subject(value, address)


def test_an_unfinished_column_shows_its_newest_pictures(value: dict[str, Any]) -> None:
    text = matrix(value, address)
    assert text.count("samples/waveft/step000100/") == 2
    assert text.count("samples/so/step000050/") == 2
    assert "seed 0, step 50" in text


def test_the_script_is_given_every_picture(value: dict[str, Any]) -> None:
    data = matrix_data(value, Sources(address, address, address), whole=True)
    rows = [("base", 0, row) for row in value["base"]["samples"]]
    for run in value["runs"]:
        rows += [(run["id"], 200, row) for row in run["samples"]]
        rows += [(run["id"], row["step"], row) for row in run["history"]]
    wanted = {
        f"{run}/{step}/{r['prompt']}/{r['seed']}": address(r["path"]) for run, step, r in rows
    }
    assert data["pictures"] == wanted
    assert data["steps"] == {"lora": [50, 100, 150, 200], "waveft": [50, 100], "so": [50]}
    assert data["all"] == all_steps(value, whole=True) == [0, 50, 100, 150, 200]


def test_what_is_to_come_has_a_step(value: dict[str, Any]) -> None:
    assert [due(run) for run in value["runs"]] == [[], [], [100, 150, 200]]
    waiting = value["runs"][2] | {"state": "queued", "history": []}
    assert due(waiting) == [50, 100, 150, 200]
    text = matrix(value | {"runs": [*value["runs"][:2], waiting]}, address)
    assert text.count("<p>step 50</p>") == 2


def test_one_file_holds_no_more_stops_than_it_can_carry(value: dict[str, Any]) -> None:
    run = value["runs"][1]
    many = [row | {"step": step} for step in range(10, 410, 10) for row in run["history"][:2]]
    runs = [value["runs"][0], run | {"history": many}]
    steps = all_steps(value | {"runs": runs})
    assert len(steps) <= 2 * (MOST_STOPS + 1) + 1
    assert steps[-1] == 400  # what stands in the rows is never left out
    assert len(all_steps(value | {"runs": runs}, whole=True)) == 41


def test_the_scatter_shows_how_far_an_unfinished_run_has_come(value: dict[str, Any]) -> None:
    text = sections.scatter(value)
    assert "WaveFT, step 100" in text
    assert "SO, step 50" in text
    assert "LoRA, step" not in text
