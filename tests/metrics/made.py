"""Answers with made-up content: for tests of metrics only."""

import numpy as np

from sparse_peft.metrics.answers import Answers, Row


def said(
    label: list[int], predicted: list[int], confidence: list[float] | None = None, first: int = 0
) -> Answers:
    """Answers on pictures numbered from `first`."""
    return Answers(
        np.arange(first, first + len(label), dtype=np.int32),
        np.array(label, np.int32),
        np.array(predicted, np.int32),
        np.array(confidence or [0.5] * len(label), np.float32),
    )


def drawn(
    pictures: int = 60, draws: int = 3, classes: int = 4, right: float = 0.8, seed: int = 0
) -> Row:
    """A method that is right at chance, on the same pictures in every draw."""
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=pictures)
    rows = []
    for _ in range(draws):
        other = (label + rng.integers(1, classes, size=pictures)) % classes
        predicted = np.where(rng.random(pictures) < right, label, other)
        rows.append(said(list(label), list(predicted), list(rng.uniform(0.3, 1.0, pictures))))
    return tuple(rows)
