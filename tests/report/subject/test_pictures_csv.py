"""The CSV: one row a picture, as RFC 4180 has it, and nothing in it computes."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import compare
from sparse_peft.comparison import ComparisonOutcome
from sparse_peft.report.subject.pictures_csv import COLUMNS, pictures_csv
from tests.fake_outcome import Maker


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path, prompts=2)


def rows(outcome: ComparisonOutcome) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(pictures_csv(compare.assemble(outcome)), newline="")))


def test_every_picture_has_a_row_with_its_scores(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    value, found = compare.assemble(outcome), rows(outcome)
    assert tuple(found[0]) == COLUMNS
    steps = ["0"] * 6 + ["50"] * 2 + ["100"] * 2 + ["150"] * 2 + ["200"] * 6
    assert [row["step"] for row in found] == steps
    last = value["runs"][0]["samples"][-1]
    assert found[-1] == {
        "method": "lora", "run": "lora", "step": "200", "prompt": "a photo of sks dog on a beach",
        "plain_prompt": "a photo of dog on a beach", "seed": "2", "subject": str(last["subject"]),
        "prompt_score": str(last["prompt_score"]), "path": "samples/lora/step000200/p01-s2.png",
    }  # fmt: skip


def test_what_is_absent_is_empty(maker: Maker) -> None:
    outcome = replace(maker.comparison(methods=()), runs=(maker.unfinished("so"),))
    (outcome.prepare / "report.json").unlink()
    found = rows(outcome)
    assert [row["method"] for row in found] == ["so"] * 4
    assert {row["plain_prompt"] for row in found} == {""}


def test_lines_end_and_words_are_quoted_as_rfc_4180_says(maker: Maker) -> None:
    prompts = ('a sks dog, "sitting"', "a sks dog\nlying")
    outcome = maker.comparison(methods=(), prompts=prompts)
    text = pictures_csv(compare.assemble(outcome))
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    assert '"a sks dog, ""sitting"""' in text
    assert '"a sks dog\nlying"' in text
    assert [row["prompt"] for row in rows(outcome)] == [prompts[0]] * 3 + [prompts[1]] * 3


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_prompt_is_a_formula(maker: Maker, start: str) -> None:
    bad = f"{start}cmd|'/C calc'!A0"
    outcome = maker.comparison(methods=(), prompts=(bad, "a sks dog = 2"))
    found = rows(outcome)
    assert found[0]["prompt"] == f"'{bad}"
    assert found[-1]["prompt"] == "a sks dog = 2"
