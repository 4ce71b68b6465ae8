"""Intervals against scipy and a slow plain twin; their coverage where prompts are few."""

import random

import numpy as np
import pytest
from scipy import stats

from sparse_peft.metrics import intervals


def plain_means(values: np.ndarray, resamples: int) -> np.ndarray:
    """Two loops and Python's own generator: prompts, then seeds within each."""
    draw = random.Random(3)
    means = []
    for _ in range(resamples):
        total = 0.0
        for _ in range(len(values)):
            prompt = draw.choice(list(values))
            total += sum(draw.choice(list(prompt)) for _ in prompt) / len(prompt)
        means.append(total / len(values))
    return np.array(means)


def test_hierarchical_means_match_a_plain_twin() -> None:
    values = np.random.default_rng(0).normal(size=(6, 3))
    ours, plain = intervals.hierarchical_means(values), plain_means(values, 4000)
    for level in (0.025, 0.2, 0.5, 0.8, 0.975):
        assert np.quantile(ours, level) == pytest.approx(np.quantile(plain, level), abs=0.03)


def test_one_seed_a_prompt_is_the_percentile_bootstrap_of_scipy_at_the_widened_level() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=24)
    tail = intervals.expanded_tail(0.025, 24)
    wanted = stats.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * tail, n_resamples=20_000,
        method="percentile", rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    found = intervals.interval(values[:, None])
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.03)


@pytest.mark.parametrize("df", [1, 2, 3, 7, 8, 23])
@pytest.mark.parametrize("t", [-30.0, -4.0, -2.1, -0.3, 0.0, 1.2, 6.0])
def test_student_cdf_is_scipys(t: float, df: int) -> None:
    assert intervals.student_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), abs=1e-12)


@pytest.mark.parametrize("count", [3, 6, 8, 24])
def test_expanded_tail_is_hesterbergs(count: int) -> None:
    wanted = stats.norm.cdf(np.sqrt(count / (count - 1)) * stats.t.ppf(0.025, count - 1))
    assert intervals.expanded_tail(0.025, count) == pytest.approx(wanted, rel=1e-6)


def test_honest_p_undoes_the_expansion() -> None:
    assert intervals.honest_p(intervals.expanded_tail(0.025, 8), 8) == pytest.approx(0.05)
    assert intervals.honest_p(0.5, 8) == pytest.approx(1.0)


def test_the_widened_interval_covers_where_the_plain_one_does_not() -> None:
    rng = np.random.default_rng(5)
    plain = widened = 0
    for _ in range(300):
        values = rng.normal(size=(6, 1)) + 0.7 * rng.normal(size=(6, 3))
        means = intervals.hierarchical_means(values, 1000)
        for tail in (0.025, intervals.expanded_tail(0.025, 6)):
            low, high = np.quantile(means, [tail, 1 - tail])
            hit = bool(low <= 0 <= high)
            plain, widened = (plain + hit, widened) if tail == 0.025 else (plain, widened + hit)
    assert plain / 300 < 0.92
    assert 0.92 < widened / 300 < 0.98


def test_same_values_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=(8, 3))
    assert intervals.interval(values) == intervals.interval(values.copy())


def test_a_single_value_has_no_interval() -> None:
    assert intervals.interval(np.array([[0.4]])) == (0.4, None, None)
    assert intervals.interval(np.array([[0.4]])).width == 0


def test_one_prompt_is_resampled_over_its_seeds() -> None:
    found = intervals.interval(np.array([[0.1, 0.2, 0.6]]))
    assert (found.low, found.high) == pytest.approx((0.1, 0.6))
