"""Specs round-trip through their files; ids are short, random, and sort by age."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from sparse_peft.errors import SpecError
from sparse_peft.runs.spec import (
    ComparisonSpec,
    Input,
    RunSpec,
    inside,
    new_id,
    read_comparison_spec,
    read_run_spec,
    write_spec,
)

RUN = RunSpec(
    id="r1",
    kind="train",
    owner="me",
    comparison="c1",
    settings={"method": "so", "lr": 1e-3, "prompts": ["a", "b"], "deep": {"x": None}},
    inputs=(Input("pictures/a.png", "data/d1/a.png", "ab" * 32),),
    needs=("r0",),
)


def test_a_run_and_a_comparison_round_trip(tmp_path: Path) -> None:
    comparison = ComparisonSpec("c1", "me", {"noun": "dog"})
    write_spec(tmp_path / "run.json", RUN)
    write_spec(tmp_path / "comparison.json", comparison)
    assert read_run_spec(tmp_path / "run.json") == RUN
    assert read_comparison_spec(tmp_path / "comparison.json") == comparison
    assert json.loads((tmp_path / "run.json").read_text())["format"] == 1


def test_a_newer_format_is_refused_before_its_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": 2, "novelty": 1}')
    with pytest.raises(SpecError, match=r"run\.json has format 2; this version reads format 1\."):
        read_run_spec(path)


def test_ids_are_short_and_sort_by_age() -> None:
    ids = [new_id() for _ in range(2000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-z]{14}", one) for one in ids)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    assert not inside(name)
    with pytest.raises(SpecError, match="not a name inside a folder"):
        Input(name, "a", "0")
    with pytest.raises(SpecError, match="not a name inside a folder"):
        Input("a", name, "0")


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", ""])
def test_ids_that_are_no_names_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="is not an id"):
        dataclasses.replace(RUN, id=name)
    with pytest.raises(SpecError, match="is not an id"):
        dataclasses.replace(RUN, needs=(name,))
    with pytest.raises(SpecError, match="is not an id"):
        ComparisonSpec(name, "me")
