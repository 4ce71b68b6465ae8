"""Verdicts of many rows of classes: gathered by clarity, and every pair as points of accuracy."""

import re
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.report import groups
from sparse_peft.report.classes import orders, page, verdicts, words
from sparse_peft.report.classes.across import across
from sparse_peft.report.classes.curves import by_step
from sparse_peft.report.classes.lines import lines, many
from tests.fake_classes import EVERY, Maker
from tests.report.test_page import Page


@pytest.fixture(scope="module")
def thirteen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Thirteen methods and both references on four classes, two draws."""
    root = tmp_path_factory.mktemp("classes")
    maker = Maker(root, classes=4, each=10, shots=2, seeds=(1, 2))
    return compare.assemble(maker.comparison(methods=tuple(EVERY)))


def test_every_row_stands_once_beside_a_reference(thirteen: dict[str, Any]) -> None:
    assert many(thirteen)
    said = verdicts.gathered_beside(thirteen, "zeroshot")
    told = re.findall(r"<dt>(.*?)</dt>", said)
    assert told == [word for word in groups.WORDS if word in told]
    named = re.findall(r"<b>(.*?)</b>", said)
    assert sorted(named) == sorted(row["label"] for row in thirteen["runs"][1:])


def test_what_was_told_beside_an_earlier_reference_is_not_told_again(
    thirteen: dict[str, Any],
) -> None:
    said = verdicts.gathered_beside(thirteen, "lora")
    assert "Zero-shot" not in said
    assert "Linear probe" not in said


def test_the_better_side_leads_and_the_others_accuracy_is_named(thirteen: dict[str, Any]) -> None:
    pair = next(p for p in thirteen["pairs"] if (p["a"], p["b"]) == ("vera", "full"))
    pair |= {"word": "Clear", "difference": {"mean": -0.2, "low": -0.3, "high": -0.1}}
    level = words.percent(
        next(r for r in thirteen["runs"] if r["method"] == "full")["metrics"]["accuracy"]["mean"]
    )
    said = verdicts.gathered_beside(thirteen, "full")
    assert f"Full ({level}) names more pictures right than" in said


def test_the_table_tells_points_and_their_interval(thirteen: dict[str, Any]) -> None:
    html = verdicts.pair_tables(thirteen)
    page_of = Page(html)
    assert page_of.open == []
    assert "All 105 pairs of rows" in page_of.text
    squares = [attrs for tag, attrs in page_of.tags if tag == "td" and attrs.get("title")]
    assert len(squares) == len(thirteen["pairs"])
    assert all(" points" in str(attrs["title"]) for attrs in squares)


def test_the_furthest_is_a_trained_row(thirteen: dict[str, Any]) -> None:
    found = verdicts.furthest(thirteen)
    trained = {line.row["method"]: line for line in lines(thirteen) if line.trained}
    best = max(trained, key=lambda name: trained[name].row["metrics"]["accuracy"]["mean"])
    assert found == best


def test_the_report_gathers_folds_and_counts_methods_only(thirteen: dict[str, Any]) -> None:
    told = page.fields(thirteen, lambda _: b"x")
    assert told["subtitle"].startswith("13 methods, Linear probe beside zero-shot CLIP")
    assert told["legend"].count('name="in-view"') == 14
    assert "All command lines" in told["commands"]
    assert told["by_class"].count('data-method="vera"') == 1 + 4
    assert 'aria-label="Accuracy class by class"' in told["by_class"]
    assert told["confusions"].count('data-method="vera"') == 1


def test_every_order_names_every_row_once(thirteen: dict[str, Any]) -> None:
    found = orders.orders(lines(thirteen))
    assert set(found) == {key for key, _ in orders.TITLES}
    for order in found.values():
        assert sorted(order) == sorted(row["method"] for row in thirteen["runs"])
    rows = {row["method"]: row["metrics"]["accuracy"]["mean"] for row in thirteen["runs"]}
    means = [rows[name] for name in found["accuracy"]]
    assert means == sorted(means, reverse=True)


def test_many_lines_are_named_at_their_ends(thirteen: dict[str, Any]) -> None:
    drawn = by_step(thirteen)
    assert drawn.count('class="end"') == 13
    more = {**thirteen, "shots": 4}
    assert across([thirteen, more]).count('class="end"') == 15
