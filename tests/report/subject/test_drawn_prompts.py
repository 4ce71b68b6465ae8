"""Prompts drawn after the training: in the folder, in the report, and not in the numbers."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.comparison import ComparisonOutcome
from sparse_peft.report.page import page
from sparse_peft.report.pictures import below
from tests.fake_outcome import Maker
from tests.report.test_page import HOSTILE, Page


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    (tmp_path / "runs").mkdir()
    return Maker(tmp_path / "runs", prompts=2, seeds=(0, 2))


def asked(maker: Maker, prompt: str, **columns: Path) -> ComparisonOutcome:
    """Two methods, one of them trained twice, and a prompt drawn with all that were there."""
    outcome = maker.comparison(methods=("lora", "waveft"))
    again = maker.train("lora", "lora-2", seed=1000)
    folder = maker.drawn("drawn1", ("lora", "lora-2"), prompt, 7)
    return replace(outcome, runs=(*outcome.runs, again), drawn={"drawn1": folder} | columns)


def pictures(out: Path, value: dict[str, Any]) -> dict[str, str]:
    drawn = value["drawn"][0]["samples"]
    return {
        name: base64.b64encode((out / sample["path"]).read_bytes()).decode()
        for name, sample in drawn.items()
    }


def test_they_are_kept_beside_the_results_and_change_no_number(
    maker: Maker, tmp_path: Path
) -> None:
    outcome = asked(maker, "a photo of sks dog in a boat")
    value = compare.write(tmp_path / "out", outcome)
    assert value["drawn"] == [
        {
            "run": "drawn1",
            "error": None,
            "prompt": "a photo of sks dog in a boat",
            "seed": 7,
            "samples": {
                name: {
                    "path": f"drawn/drawn1/samples/{name}/p00-s7.png",
                    "subject": 0.5,
                    "prompt_score": None,
                }
                for name in ("base", "lora", "lora-2")
            },
        }
    ]
    for name, sample in value["drawn"][0]["samples"].items():
        kept = (tmp_path / "out" / sample["path"]).read_bytes()
        assert kept == (maker.root / "drawn1" / f"samples/{name}/p00-s7.png").read_bytes()
    without = compare.assemble(replace(outcome, drawn={}))
    assert without == value | {"drawn": []}


def test_they_stand_in_the_report_below_the_test_prompts(maker: Maker, tmp_path: Path) -> None:
    value = compare.write(tmp_path / "out", asked(maker, "a photo of sks dog in a boat"))
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.open == []
    assert "drawn after the training, seed 7. Not in the numbers." in parsed.text
    rows = [attrs for tag, attrs in parsed.tags if attrs.get("data-prompt") == "own-drawn1"]
    assert [(row["data-column"], row["data-run"]) for row in rows] == [
        ("base", "base"),
        ("lora", "lora"),
    ]
    data = json.loads(parsed.scripts[0])
    assert data["own"] == {"own-drawn1": 7}
    again = [key for key in data["pictures"] if "/own/" in key]
    assert again == ["lora-2/own/own-drawn1/7"]  # those of the rows are not in the page twice
    for name in ("base", "lora"):
        assert text.count(pictures(tmp_path / "out", value)[name]) == 1


def test_a_column_that_came_later_says_that_it_was_not_drawn(maker: Maker, tmp_path: Path) -> None:
    value = compare.write(tmp_path / "out", asked(maker, "a sks dog"))
    row = page(value, below(tmp_path / "out")).split("Not in the numbers.")[1].split("</figure>")
    assert 'data-method="waveft"' in row[2]
    assert "not drawn" in row[2]


def test_what_a_damaged_run_drew_is_left_out_and_said(maker: Maker, tmp_path: Path) -> None:
    outcome = asked(maker, "a sks dog")
    (maker.root / "drawn1" / "samples" / "lora" / "p00-s7.png").unlink()
    value = compare.write(tmp_path / "out", outcome)
    assert value["drawn"][0]["samples"] == {}
    assert "p00-s7.png is missing" in value["drawn"][0]["error"]
    assert "Not in the numbers." not in (tmp_path / "out" / "index.html").read_text()


def test_a_hostile_prompt_stays_text(maker: Maker, tmp_path: Path) -> None:
    compare.write(tmp_path / "out", asked(maker, HOSTILE))
    parsed = Page((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    assert len(parsed.scripts) == 2
    assert not any("onerror" in attrs for _, attrs in parsed.tags)


def test_a_comparison_of_an_older_version_has_none(maker: Maker, tmp_path: Path) -> None:
    value = compare.write(tmp_path / "out", asked(maker, "a sks dog"))
    del value["drawn"]
    assert "Not in the numbers." not in page(value, below(tmp_path / "out"))
