"""The line of all methods: one box each, families together, the base always in view."""

from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.report import page
from sparse_peft.report.columns import columns
from sparse_peft.report.groups import Side
from sparse_peft.report.legend import legend
from sparse_peft.report.marks import HUES
from sparse_peft.report.pictures import Read
from sparse_peft.report.subject import orders
from tests.fake_outcome import EVERY, METHODS, Maker
from tests.report.test_page import Page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    maker = Maker(tmp_path_factory.mktemp("legend"), prompts=1)
    return compare.assemble(maker.comparison(methods=tuple(EVERY)))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    return lambda _: (tmp_path / "small.png").read_bytes()


def test_one_box_a_method_and_none_for_the_base(many: dict[str, Any]) -> None:
    sides = [Side(one.method, one.label, one.look) for one in columns(many)]
    drawn = Page(legend(sides, "base", orders.TITLES))
    assert drawn.open == []
    boxes = [attrs["value"] for tag, attrs in drawn.tags if tag == "input"]
    assert sorted(map(str, boxes)) == sorted(EVERY)
    assert drawn.tags[0][1].get("hidden", "") is None  # until the script that serves it is there
    families = [EVERY[str(box)][1] for box in boxes]
    assert families == sorted(families, key=list(HUES).index)


def test_every_order_names_every_method_once_and_the_base_first(many: dict[str, Any]) -> None:
    found = orders.orders(columns(many))
    assert set(found) == {key for key, _ in orders.TITLES}
    for order in found.values():
        assert order[0] == "base"
        assert sorted(order[1:]) == sorted(EVERY)
    runs = {run["method"]: run for run in many["runs"]}
    means = [runs[name]["metrics"]["subject_fidelity"]["mean"] for name in found["subject"][1:]]
    assert means == sorted(means, reverse=True)
    assert found["ticked"][1:] == list(EVERY)


def test_what_was_not_measured_comes_last(tmp_path: Path) -> None:
    maker = Maker(tmp_path, prompts=1)
    outcome = maker.comparison(methods=("lora", "waveft"))
    waiting = compare.assemble(
        type(outcome)(**{**vars(outcome), "runs": (maker.queued("so"), *outcome.runs)})
    )
    assert orders.orders(columns(waiting))["subject"][-1] == "so"
    assert orders.orders(columns(waiting))["seconds"][-1] == "so"


def test_thirteen_methods_have_it_and_three_are_without(
    many: dict[str, Any], read: Read, tmp_path: Path
) -> None:
    whole = Page(page.page(many, read))
    assert whole.open == []
    assert sum("legend" in (attrs.get("class") or "").split() for _, attrs in whole.tags) == 1
    few = compare.assemble(Maker(tmp_path, prompts=1).comparison(methods=tuple(METHODS)))
    assert 'class="legend"' not in page.page(few, read)


def test_parts_of_a_method_carry_its_name(many: dict[str, Any], read: Read) -> None:
    whole = Page(page.page(many, read))
    marked = [(tag, attrs["data-method"]) for tag, attrs in whole.tags if "data-method" in attrs]
    for method in EVERY:
        tags = {tag for tag, name in marked if name == method}
        assert {
            "div",
            "figure",
            "tr",
            "g",
            "polyline",
            "text",
        } <= tags  # heads, cells, rows, charts


def test_many_methods_fold_what_is_long(many: dict[str, Any], read: Read) -> None:
    text = Page(page.page(many, read)).text
    assert "13 methods beside the untouched base" in text
    assert "Beside LoRA" in text
    for folded in ("All 78 pairs of methods", "What each trains, keeps and changes",
                   "All command lines"):  # fmt: skip
        assert folded in text
