"""What docs/comparison_format.md says of the intervals: how often they hold the truth."""

import numpy as np
import pytest

from sparse_peft.metrics import labels
from sparse_peft.metrics.answers import Answers, Row
from sparse_peft.metrics.label_pairs import against

pytestmark = pytest.mark.slow

CASES = [  # pictures, draws, log odds, spread of draws, of pictures, of single answers, shared
    (100, 1, 1.5, 0.0, 2.0, 1.0, True),
    (100, 3, 1.5, 0.0, 2.0, 0.3, True),
    (100, 3, 1.5, 0.15, 2.0, 1.0, False),
    (100, 3, 1.5, 0.5, 1.0, 1.0, True),
    (40, 3, 3.0, 0.2, 1.0, 1.0, True),
    (400, 5, 1.5, 0.3, 1.0, 1.0, True),
]
TIMES = 400


def trained(rng: np.random.Generator, case: tuple, draws: int | None = None) -> Row:
    """A method on hard and easy pictures, with better and worse draws."""
    pictures, usual, odds, draw_sd, picture_sd, own_sd, shared = case
    hard = rng.normal(size=(usual, pictures)) * picture_sd
    rows = []
    for draw in range(draws or usual):
        at = 0 if shared else draw
        logit = odds + rng.normal() * draw_sd + hard[at] + rng.normal(size=pictures) * own_sd
        right = rng.random(pictures) < 1.0 / (1.0 + np.exp(-logit))
        place = np.arange(at * pictures, (at + 1) * pictures, dtype=np.int32)
        label = np.zeros(pictures, np.int32)
        rows.append(Answers(place, label, (~right).astype(np.int32), np.full(pictures, 0.9)))
    return tuple(rows)


@pytest.mark.parametrize("case", CASES)
def test_an_interval_of_the_accuracy_holds_the_truth(case: tuple) -> None:
    rng = np.random.default_rng(1)
    truth = np.mean([one.right.mean() for _ in range(4000) for one in trained(rng, case)])
    held = 0
    for _ in range(TIMES):
        found = labels.accuracy(trained(rng, case))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.90 <= held / TIMES <= 1.0


def test_two_equal_methods_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(2)
    clear = 0
    for _ in range(TIMES):
        hard = rng.normal(size=200) * 2.0
        columns = {}
        for name in ("zeroshot", "a", "b", "c"):
            rows = {}
            for draw in range(3):
                logit = 1.0 + rng.normal() * 0.15 + hard + rng.normal(size=200)
                right = rng.random(200) < 1.0 / (1.0 + np.exp(-logit))
                rows[draw] = Answers(
                    np.arange(200), np.zeros(200, int), (~right).astype(int), np.full(200, 0.9)
                )
            columns[name] = rows
        clear += any(p.word == "Clear" for p in against(columns, "zeroshot", ["a", "b", "c"]))
    assert clear / TIMES <= 0.08
