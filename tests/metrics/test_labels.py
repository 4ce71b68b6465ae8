"""Metrics over draws: means of the draws' values, with intervals that hold them."""

from statistics import harmonic_mean

import numpy as np
import pytest
from sklearn.metrics import f1_score

from sparse_peft.metrics import answers as of
from sparse_peft.metrics import labels
from sparse_peft.metrics.answers import Answers, Row
from tests.metrics.made import drawn, said


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "calibration_error"])
def test_a_metric_is_the_mean_over_the_draws_inside_its_interval(name: str) -> None:
    row = drawn(120, 3, 5)
    found = getattr(labels, name)(row)
    assert found.mean == pytest.approx(np.mean([getattr(of, name)(one) for one in row]))
    assert 0.0 <= found.low < found.mean < found.high <= 1.0
    assert found == getattr(labels, name)(drawn(120, 3, 5))


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "calibration_error"])
def test_more_pictures_make_it_surer(name: str) -> None:
    few, many = (getattr(labels, name)(drawn(n, 1, 5)) for n in (50, 800))
    assert many.width < few.width / 2


def test_each_class_has_its_own_accuracy() -> None:
    row = (said([0, 0, 0, 2], [0, 0, 1, 2]), said([0, 0, 0, 2], [0, 1, 1, 0]))
    zero, one, two = labels.per_class(row, 3)
    assert zero is not None
    assert two is not None
    assert one is None
    assert zero.mean == pytest.approx(0.5)
    assert zero.low < 0.5 < zero.high
    assert (two.mean, two.low, two.high) == (0.5, None, None)


def test_a_perfect_method_is_not_certain_to_be_perfect() -> None:
    row = (said([0, 1] * 10, [0, 1] * 10, [1.0] * 20),)
    assert labels.accuracy(row).mean == 1.0
    assert labels.accuracy(row).low < 0.9
    assert labels.calibration_error(row).mean == 0.0


def moved(row: Row, by: int) -> Row:
    return tuple(Answers(a.place + by, a.label, a.predicted, a.confidence) for a in row)


def test_the_harmonic_mean_is_taken_draw_by_draw() -> None:
    base, new = drawn(80, 3, 4), moved(drawn(70, 3, 4, 0.5, seed=3), 1000)
    found = labels.harmonic(base, new)
    pairs = zip(map(of.accuracy, base), map(of.accuracy, new), strict=True)
    assert found.mean == pytest.approx(np.mean([harmonic_mean(pair) for pair in pairs]))
    assert found.low < found.mean < found.high


def test_the_harmonic_mean_is_as_sure_as_a_bootstrap_says() -> None:
    (base,), (new,) = drawn(300, 1, 4), moved(drawn(200, 1, 4, 0.5, seed=3), 1000)
    rng = np.random.default_rng(0)
    means = [
        harmonic_mean([rng.choice(one.right, len(one.right)).mean() for one in (base, new)])
        for _ in range(2000)
    ]
    assert labels.harmonic((base,), (new,)).width == pytest.approx(
        2 * 1.97 * np.std(means), rel=0.1
    )


def test_nothing_recognised_has_a_harmonic_mean_of_nothing() -> None:
    wrong = (said([0, 1, 0], [1, 0, 1]),)
    assert labels.harmonic(wrong, moved(wrong, 10)).mean == 0.0


def test_weighted_values_without_weights_are_the_values() -> None:
    for told in drawn(200, 3, 7):
        ones = np.ones(200)
        assert labels.weighted_f1(told, ones) == pytest.approx(of.macro_f1(told))
        assert labels.weighted_calibration_error(told, ones) == pytest.approx(
            of.calibration_error(told)
        )


def test_weights_count_as_repeated_pictures() -> None:
    (told,) = drawn(200, 1, 7)
    weights = np.random.default_rng(0).integers(1, 4, size=200)
    again = Answers(*(np.repeat(rows, weights) for rows in
                      (told.place, told.label, told.predicted, told.confidence)))  # fmt: skip
    assert labels.weighted_f1(told, weights.astype(float)) == pytest.approx(
        f1_score(told.label, told.predicted, average="macro", sample_weight=weights)
    )
    assert labels.weighted_calibration_error(told, weights.astype(float)) == pytest.approx(
        of.calibration_error(again)
    )


def test_large_sets_are_resampled_less_often() -> None:
    assert labels.resamples(0) == labels.resamples(1200) == 1000
    assert labels.resamples(100_000) == 200
    assert labels.resamples(10**9) == 100
