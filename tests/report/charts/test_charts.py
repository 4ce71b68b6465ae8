"""Charts: well-formed, escaped, values where the scale says, intervals as crosses."""

import xml.etree.ElementTree as ET
from dataclasses import fields

import pytest

from sparse_peft.methods.adalora import AdaLoRA
from sparse_peft.metrics.intervals import Interval
from sparse_peft.report.charts import axes, names
from sparse_peft.report.charts.axes import Axis
from sparse_peft.report.charts.dots import dot_bar
from sparse_peft.report.charts.losses import (
    PENALTY,
    Curve,
    loss_curves,
    penalised,
    penalties,
    running_mean,
)
from sparse_peft.report.charts.scatter import Point, scatter
from sparse_peft.report.marks import HUES, MEMBERS, identities, mark_svg

LOOKS = identities([("base", "base"), ("lora", "lora"), ("waveft", "waveft")])


def points() -> list[Point]:
    return [
        Point("Base", LOOKS["base"], Interval(0, -5, 5), Interval(100, 96, 104)),
        Point(
            "<LoRA>",
            LOOKS["lora"],
            Interval(60, 50, 72),
            Interval(90, 80, 99),
            ((0, 100), (30, 95)),
        ),
        Point("WaveFT", LOOKS["waveft"], Interval(61, 55, 70), Interval(89, None, None)),
    ]


def test_scatter_is_well_formed_and_escaped() -> None:
    ends = ((0.0, "0"), (100.0, "100"))
    root = ET.fromstring(scatter(points(), Axis("right & <so>", ends), Axis("up", ends)))
    texts = [text.text for text in root.iter("text")]
    assert {"Base", "<LoRA>", "WaveFT", "right & <so>", "up", "0", "100"} <= set(texts)


def test_names_do_not_cover_each_other() -> None:
    root = ET.fromstring(scatter(points(), Axis("x"), Axis("y")))
    boxes = [
        (float(t.get("x", "")), float(t.get("y", "")), len(t.text or "") * names.LABEL_WIDTH)
        for t in root.iter("text")
        if t.get("class") == "name"
    ]
    assert len(boxes) == 3
    for i, (x, y, width) in enumerate(boxes):
        for other_x, other_y, other_width in boxes[:i]:
            apart = abs(y - other_y) >= names.LABEL_HEIGHT
            assert apart or x > other_x + other_width or other_x > x + width


def test_dashes_tell_lines_apart_without_colour() -> None:
    curves = [
        Curve(name, LOOKS[name], tuple((step, 1 / (step + 1)) for step in range(80)))
        for name in ("lora", "waveft")
    ]
    for log in (False, True):
        root = ET.fromstring(loss_curves(curves, log=log))
        lines = [line for line in root.iter("polyline") if line.get("stroke-width") == "2"]
        assert [line.get("stroke-dasharray") for line in lines] == ["", "8 4"]


def test_running_mean_is_the_plain_mean_of_neighbours() -> None:
    steps = tuple((float(i), float(i * i)) for i in range(120))
    smooth = running_mean(steps)
    assert smooth[50][1] == pytest.approx(sum(i * i for i in range(47, 54)) / 7)
    assert smooth[0] == steps[0]
    assert running_mean(((0.0, 3.0),)) == ((0.0, 3.0),)


def test_a_dot_bar_has_one_dot_a_picture() -> None:
    svg = dot_bar(LOOKS["lora"], Interval(5, 4, 6), [1, 5, 9], (0, 10), (0.0, 10.0))
    assert len(list(ET.fromstring(svg).iter("circle"))) == 3


@pytest.mark.parametrize("span", [(0, 1), (-12.3, 118), (0.70, 0.72), (3, 4000)])
def test_ticks_are_few_round_and_inside(span: tuple[float, float]) -> None:
    found = axes.ticks(*span)
    assert 2 <= len(found) <= 5
    assert all(span[0] <= tick <= span[1] for tick in found)


def test_the_look_follows_page_section_7() -> None:
    found = identities(
        [("base", "base"), ("so", "so"), ("vera", "lora"), ("sparse_weight", "shira")]
    )
    assert found["so"][1:] == ("#0C826A", "#60C589", "triangle", "2 3")
    assert (found["vera"].mark, found["vera"].light) == ("quarter disc", "#2B5ABB")
    assert found["sparse_weight"].mark == "hollow plus"


def test_new_methods_of_a_family_get_marks_of_their_own() -> None:
    found = identities([("lora", "lora"), ("newa", "waveft"), ("newb", "waveft")])
    assert found["newa"].family == found["newb"].family == "waveft"
    assert found["newa"].mark != found["newb"].mark
    with pytest.raises(ValueError, match="no hue"):
        identities([("x", "unheard of")])


def test_marks_in_one_colour_differ() -> None:
    families = {name: name if name in HUES else "lora" for name in MEMBERS}
    drawn = [mark_svg(look) for look in identities(families.items()).values()]
    shapes = {svg.split("color:")[1].split(">", 1)[1] for svg in drawn}
    assert len(shapes) == len(MEMBERS)
    for svg in drawn:
        ET.fromstring(svg)


def test_a_second_column_of_a_method_never_looks_like_another_one() -> None:
    """Two budgets of LoRA side by side with AdaLoRA, whose mark is the first spare one."""
    found = identities([("lora", "lora"), ("adalora", "lora"), ("lora-rank-2", "lora")])
    assert len({look.mark for look in found.values()}) == 3
    assert len({look.dash for look in found.values()}) == 3


def test_one_loss_at_the_very_start_is_a_chart() -> None:
    assert "nan" not in loss_curves([Curve("LoRA", LOOKS["lora"], ((0, 0.5),))])


def test_a_loss_with_a_penalty_in_it_is_named() -> None:
    points = ((1.0, 0.7), (2.0, 0.6))
    plain = Curve("LoRA", LOOKS["lora"], points)
    higher = Curve("<Ada>", LOOKS["lora"], points, penalised=True)
    assert penalties([plain]) == ""
    assert penalties([plain, Curve("Ada", LOOKS["lora"], (), penalised=True)]) == ""
    said = penalties([plain, higher])
    assert "not orthogonal: &lt;Ada&gt;. It starts higher" in said


def test_only_a_run_whose_penalty_has_a_weight_is_penalised() -> None:
    """The setting by which it is known is AdaLoRA's, and it is what its adapter multiplies by."""
    assert PENALTY in {field.name for field in fields(AdaLoRA)}
    assert penalised({"fields": {PENALTY: 0.5}})
    assert not penalised({"fields": {PENALTY: 0.0}})
    assert not penalised({"fields": {"rank": 4}})
    assert not penalised({"fields": None})
