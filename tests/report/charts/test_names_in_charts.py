"""Names of a chart: none on another, none off the chart, all of them in their lines' order."""

from itertools import pairwise

import pytest

from sparse_peft.report.charts import names
from sparse_peft.report.charts.axes import BOTTOM, HEIGHT, TOP
from sparse_peft.report.charts.names import Name
from sparse_peft.report.marks import identities

LOOK = identities([("lora", "lora")])["lora"]
LOW = HEIGHT - BOTTOM


@pytest.mark.parametrize(
    "heights",
    [
        [200.0] * 13,
        [TOP] * 13,
        [LOW] * 13,
        [TOP + 2.0 * i for i in range(13)],
        [50.0, 51.0, 300.0, 301.0, 302.0],
        [40.0 + 24 * i for i in range(12)],
        [200.0],
        [],
    ],
)
def test_names_at_the_ends_stand_apart_in_order_and_on_the_chart(heights: list[float]) -> None:
    placed = names.spread(heights)
    assert len(placed) == len(heights)
    for above, below in pairwise(placed):
        assert below - above >= names.LABEL_HEIGHT - 1e-6
    assert all(TOP - 1e-6 <= place <= LOW + 1e-6 for place in placed)


def test_names_with_room_stay_where_they_belong() -> None:
    heights = [40.0 + 24 * i for i in range(12)]
    assert names.spread(heights) == pytest.approx(heights)


def test_a_run_of_names_is_centred_on_where_it_belongs() -> None:
    placed = names.spread([200.0, 200.0, 200.0])
    assert sum(placed) / 3 == pytest.approx(200.0)


def test_more_names_than_fit_are_squeezed_and_stay_on_the_chart() -> None:
    placed = names.spread([200.0] * 40)
    assert placed == sorted(placed)
    assert placed[0] >= TOP - 1e-6
    assert placed[-1] <= LOW + 1e-6


def test_a_name_without_a_place_waits_to_be_asked_for() -> None:
    crowd = [Name(f"Method {i}", LOOK, 300.0, 200.0, f"m{i}") for i in range(30)]
    waiting = "".join(names.around(crowd, [], must=False))
    assert waiting.count('class="name crowded"') > 0
    assert waiting.count("<text") == 30
    assert "crowded" not in "".join(names.around(crowd, [], must=True))
