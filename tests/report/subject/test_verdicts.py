"""Verdicts of many methods: gathered by clarity, the better side first, and all as a table."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.report import groups, words
from sparse_peft.report.columns import columns
from sparse_peft.report.subject import orders, verdicts
from tests.fake_outcome import EVERY, Maker
from tests.report.test_page import Page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Thirteen finished methods on two prompts."""
    maker = Maker(tmp_path_factory.mktemp("many"), prompts=2)
    return compare.assemble(maker.comparison(methods=tuple(EVERY)))


def lines(html: str) -> list[tuple[str, list[str]]]:
    """The beginning of each line and the names in it."""
    found = []
    for part in re.findall(r"<p>(.*?)</p>", html):
        start = unescape(re.sub(r"<.*", "", part)).strip()
        found.append((start, re.findall(r"<b>(.*?)</b>", part)))
    return found


def test_every_method_stands_once_beside_the_reference(many: dict[str, Any]) -> None:
    said = verdicts.gathered_beside(many, "lora")
    fidelities = said.split("<h4>")[1:]
    assert len(fidelities) == 2
    for fidelity in fidelities:
        told = re.findall(r"<dt>(.*?)</dt>", fidelity)
        assert told == [word for word in groups.WORDS if word in told]
        named = [name for _, names in lines(fidelity) for name in names]
        assert sorted(named) == sorted(run["label"] for run in many["runs"][1:])
    assert len(lines(said)) <= 10


def test_a_sentence_never_says_that_something_loses(many: dict[str, Any]) -> None:
    wanted = {
        run["label"]: next(
            pair
            for pair in many["pairs"]
            if (pair["metric"], pair["a"], pair["b"]) == ("subject_fidelity", run["method"], "lora")
        )
        for run in many["runs"][1:]
    }
    first = verdicts.gathered_beside(many, "lora").split("<h4>")[1]
    for start, names in lines(first):
        for name in names:
            pair = wanted[name]
            losses = pair["of"] - pair["wins"] - pair["ties"]
            if pair["word"] == "Cannot tell":
                assert start == "LoRA cannot be told apart from"
            elif pair["wins"] >= losses:
                assert start == "More like your dog than LoRA:"
                assert f"{pair['wins']} of {pair['of']}" in first
            else:
                assert start == "LoRA looks more like your dog than"
                assert f"{losses} of {pair['of']}" in first


def test_the_table_holds_every_pair_in_both_directions(many: dict[str, Any]) -> None:
    html = verdicts.pair_tables(many)
    page = Page(html)
    assert page.open == []
    assert "All 78 pairs of methods" in page.text
    squares = [attrs for tag, attrs in page.tags if tag == "td" and attrs.get("title")]
    assert len(squares) == len(many["pairs"]) == 2 * 13 * 13
    titles = {attrs["title"] for attrs in squares}
    for pair in many["pairs"][:40]:
        a, b = (words.labels(many)[pair[side]] for side in "ab")
        wins = f"{pair['wins']} of {pair['of']}"
        assert f"{a} against {b}: {wins}. {pair['word']}." in titles


def test_the_furthest_is_named_by_what_was_measured(many: dict[str, Any]) -> None:
    best = max(many["runs"], key=lambda run: run["metrics"]["subject_fidelity"]["mean"])
    found = verdicts.furthest(many)
    assert found is not None
    assert found.method == best["method"]


def test_nothing_measured_says_nothing(tmp_path: Path, many: dict[str, Any]) -> None:
    empty = {**many, "pairs": []}
    assert verdicts.gathered_beside(empty, "lora") == ""
    assert verdicts.pair_tables(empty) == ""
    waiting = compare.assemble(Maker(tmp_path).comparison(methods=()))
    assert verdicts.furthest(waiting) is None


def test_names_of_methods_stay_words(many: dict[str, Any]) -> None:
    bad = {**many, "runs": [run | {"label": "<i>&"} for run in many["runs"]]}
    drawn = verdicts.gathered_beside(bad, "lora") + verdicts.pair_tables(bad)
    assert "<i>" not in drawn
    assert Page(drawn).open == []


def test_what_is_said_on_average_is_the_average_of_all_trainings(tmp_path: Path) -> None:
    """A method whose first training happens to be its luckiest is not the most like the subject."""
    maker = Maker(tmp_path, prompts=2)
    outcome = maker.comparison(methods=("lora", "waveft"))
    again = [maker.train(name, f"{name}-2", seed=1000) for name in ("lora", "waveft")]
    value = compare.assemble(replace(outcome, runs=(*outcome.runs, *again)))
    fidelities = {"lora": 0.9, "waveft": 0.6, "lora-2": 0.2, "waveft-2": 0.6}
    for run in value["runs"]:
        run["metrics"]["subject_fidelity"]["mean"] = fidelities[run["id"]]
    best = verdicts.furthest(value)
    assert best is not None
    assert best.method == "waveft"
    assert orders.orders(columns(value))["subject"] == ["base", "waveft", "lora"]
