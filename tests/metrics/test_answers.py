"""Values of one draw: as libraries have them, and equal where the content is equal."""

import numpy as np
import pytest

from sparse_peft.metrics import answers as of
from sparse_peft.metrics.answers import Answers
from tests.metrics.made import drawn, said


def test_accuracy_is_the_fraction_recognised() -> None:
    assert of.accuracy(said([0, 1, 1, 2], [0, 1, 2, 2])) == 0.75


def test_macro_f1_counts_every_class_alike() -> None:
    # class 0: 2 * 3 / (3 + 4); class 1: never found
    assert of.macro_f1(said([0, 0, 0, 1], [0, 0, 0, 0])) == pytest.approx((6 / 7 + 0) / 2)


def test_a_class_that_is_neither_there_nor_predicted_does_not_count() -> None:
    assert of.macro_f1(said([0, 5], [0, 5])) == 1.0


def test_the_calibration_error_is_the_gap_in_each_bin() -> None:
    told = said([0, 0, 0, 0], [0, 0, 0, 1], [0.9, 0.9, 0.9, 0.9])
    assert of.calibration_error(told) == pytest.approx(0.15, abs=1e-6)
    two = said([0, 0, 0, 0], [0, 0, 1, 1], [0.95, 0.95, 0.05, 0.05])
    assert of.calibration_error(two) == pytest.approx(0.05, abs=1e-6)


def test_the_confusion_has_the_truth_in_rows_over_all_draws() -> None:
    row = (said([0, 1], [1, 1]), said([0, 1], [1, 0]))
    np.testing.assert_array_equal(of.confusion(row, 3), [[0, 2, 0], [1, 1, 0], [0, 0, 0]])


def test_answers_of_equal_content_are_equal() -> None:
    one, same, other = (drawn(seed=seed)[0] for seed in (0, 0, 1))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "answers"


@pytest.mark.slow
def test_values_are_those_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional import classification as metrics

    for told in drawn(400, 4, 10):
        label, predicted, right = (
            torch.from_numpy(np.asarray(rows).astype(np.int64))
            for rows in (told.label, told.predicted, told.right)
        )
        sure = torch.from_numpy(told.confidence)
        assert of.accuracy(told) == pytest.approx(
            metrics.multiclass_accuracy(predicted, label, 10, average="micro").item()
        )
        assert of.macro_f1(told) == pytest.approx(
            metrics.multiclass_f1_score(predicted, label, 10, average="macro").item()
        )
        assert of.calibration_error(told) == pytest.approx(
            metrics.binary_calibration_error(sure, right, n_bins=15, norm="l1").item(), abs=1e-5
        )


def test_a_set_of_answers_knows_what_is_right() -> None:
    told = Answers(*(np.array(rows) for rows in ([3, 4], [0, 1], [0, 0], [0.5, 0.5])))
    np.testing.assert_array_equal(told.right, [True, False])
