"""The test pictures behind a cell of a confusion matrix, with what every row said of each."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import RunError
from sparse_peft.metrics.answers import Answers
from sparse_peft.ui import mine
from sparse_peft.ui.classes import compare_pictures
from sparse_peft.ui.classes.compare_live import answers_of
from sparse_peft.ui.desk import Desk

MOST = 24  # pictures of a cell


def cell(desk: Desk, comparison: str, row: str, truth: int, predicted: int) -> dict[str, Any]:
    """The pictures of a class that a row took for another, or for what they are.

    Args:
        row: a method or a reference.
        truth: number of the class that they show.
        predicted: number of the class that they were taken for.

    Raises:
        RunError: no such comparison of this person, or no such row or class in it.
    """
    outcome = mine.opened(desk, mine.comparison(desk, comparison))
    if not isinstance(outcome, ClassesOutcome):
        raise RunError("This comparison is about one subject; it has no classes.")
    classes, answers = outcome.classes, answers_of(outcome)
    if row not in answers or not {truth, predicted} <= set(range(len(classes))):
        raise RunError("There is no such cell in this comparison. Load the page again.")
    found = [
        (float(told.confidence[at]), int(told.place[at]), seed)
        for seed, told in answers[row].items()
        for at in np.flatnonzero((told.label == truth) & (told.predicted == predicted))
    ]
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    return {
        "truth": classes[truth],
        "predicted": classes[predicted],
        "of": len(found),
        "pictures": [
            {
                "src": compare_pictures.address(desk, outcome, f"pictures/{place}.png"),
                "name": outcome.names.get(place, ""),
                "seed": seed,
                "said": _said(answers, classes, place, seed),
            }
            for _, place, seed in found[:MOST]
        ],
    }


def _said(
    answers: Mapping[str, Mapping[int, Answers]], classes: tuple[str, ...], place: int, seed: int
) -> list[dict[str, Any]]:
    """What each row said of one picture on one draw."""
    found = []
    for row, by_seed in answers.items():
        told = by_seed.get(seed)
        if told is None:
            continue
        for at in np.flatnonzero(told.place == place):  # one at most
            guess = int(told.predicted[at])
            found.append(
                {
                    "row": row,
                    "class": classes[guess],
                    "confidence": round(float(told.confidence[at]), 4),
                    "right": bool(told.right[at]),
                }
            )
    return found
