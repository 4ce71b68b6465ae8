"""The spread of an average over draws that share their test pictures."""

import numpy as np
import pytest
from scipy import stats

from sparse_peft.metrics.spreads import Spread, bounded, mean_spread, proportion, spreads


def places(*draws: range) -> list[np.ndarray]:
    return [np.array(draw, np.int32) for draw in draws]


def test_one_draw_has_the_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = mean_spread(places(range(50)), [values])
    assert found.mean == pytest.approx(values.mean())
    assert found.error == pytest.approx(stats.sem(values))
    assert (found.df, found.pictures, found.draws) == (49, 50, 1)


def test_a_second_look_at_the_same_pictures_adds_nothing() -> None:
    values = np.random.default_rng(0).normal(size=50)
    once = mean_spread(places(range(50)), [values])
    thrice = mean_spread(places(*[range(50)] * 3), [values] * 3)
    assert thrice.error == pytest.approx(once.error)
    assert thrice.df == once.df


def test_other_pictures_add_what_they_know() -> None:
    values = np.random.default_rng(0).normal(size=(2, 5000))
    apart = mean_spread(places(range(5000), range(5000, 10000)), list(values))
    assert apart.by_pictures == pytest.approx(values.var() / 10000, rel=0.01)


def test_pictures_of_some_draws_only_count_there() -> None:
    values = [np.array([1.0, 0.0]), np.array([0.0, 0.0])]
    found = mean_spread(places(range(2), range(1, 3)), values)
    # influences of pictures 0, 1, 2: (0.5 / 2, -0.5 / 2, 0) over two draws
    assert found.by_pictures == pytest.approx((0.125**2 * 2) * 3 / 2)
    assert found.by_draws == pytest.approx(np.var([0.5, 0.0], ddof=1) / 2)


def test_draws_that_differ_leave_few_degrees_of_freedom() -> None:
    rows = [np.full(40, value) for value in (0.2, 0.5, 0.8)]
    found = mean_spread(places(*[range(40)] * 3), rows)
    assert found.by_pictures == pytest.approx(0.0, abs=1e-30)
    assert found.error == pytest.approx(0.3 / np.sqrt(3))
    assert found.df == 2
    assert found.quantile == pytest.approx(stats.t.ppf(0.975, 2))


def test_groups_are_averaged_on_their_own() -> None:
    group = np.array([0, 0, 2, 2, 2], np.int32)
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    zero, one, two = spreads(places(range(5)), [values], [group], 3)
    assert one is None
    assert zero == mean_spread(places(range(2)), [values[:2]])
    assert two == mean_spread(places(range(3)), [values[2:]])


def test_a_proportion_of_one_draw_has_wilsons_interval() -> None:
    right = np.arange(900) < 800
    found = proportion(mean_spread(places(range(900)), [right]), 900)
    wanted = stats.binomtest(800, 900).proportion_ci(method="wilson")
    assert found.low == pytest.approx(wanted.low, abs=2e-4)
    assert found.high == pytest.approx(wanted.high, abs=2e-4)


@pytest.mark.parametrize(("right", "end"), [(10, "high"), (0, "low")])
def test_ten_of_ten_is_not_certainty(right: int, end: str) -> None:
    found = proportion(mean_spread(places(range(10)), [np.arange(10) < right]), 10)
    assert getattr(found, end) == found.mean == right / 10
    assert found.width > 0.25


def test_a_single_picture_has_no_interval() -> None:
    alone = Spread(0.5, 0.0, 0.0, 1, 1)
    assert proportion(alone, 1)[1:] == bounded(alone)[1:] == (None, None)


def test_an_interval_stays_within_what_can_be() -> None:
    wide = Spread(0.9, 0.04, 0.0, 30, 1)
    assert bounded(wide).high == 1.0
    assert bounded(wide).low == pytest.approx(0.9 - stats.t.ppf(0.975, 29) * 0.2)
    assert bounded(wide._replace(mean=-0.9), least=-1.0).low == -1.0
    assert bounded(wide._replace(mean=0.1)).low == 0.0
