"""The test pictures behind a cell of a confusion matrix, with what every row said of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import RunError
from sparse_peft.metrics.answers import Answers
from sparse_peft.ui.classes.compare import pictures
from sparse_peft.ui.classes.compare.live import answers_of
from sparse_peft.ui.comparisons import mine, shipped
from sparse_peft.ui.desk.desk import Desk

MOST = 24  # pictures of a cell
NO_CLASSES = "This comparison is about one subject; it has no classes."


@dataclass(frozen=True)
class _Told:
    """What the cells of a comparison are made of."""

    classes: tuple[str, ...]
    answers: Mapping[str, Mapping[int, Answers]]
    names: Mapping[int, str]
    address: Callable[[int], str | None]
    """of the picture at a place; None: it is only counted"""


def cell(desk: Desk, comparison: str, row: str, truth: int, predicted: int) -> dict[str, Any]:
    """The pictures of a class that a row took for another, or for what they are.

    Args:
        comparison: of this person, or one that comes with the studio.
        row: a method or a reference.
        truth: number of the class that they show.
        predicted: number of the class that they were taken for.

    Raises:
        RunError: no such comparison, or no such row or class in it.
    """
    told = _shipped(comparison) if shipped.is_there(comparison) else _own(desk, comparison)
    if row not in told.answers or not {truth, predicted} <= set(range(len(told.classes))):
        raise RunError("There is no such cell in this comparison. Load the page again.")
    found = [
        (float(said.confidence[at]), int(said.place[at]), seed)
        for seed, said in told.answers[row].items()
        for at in np.flatnonzero((said.label == truth) & (said.predicted == predicted))
    ]
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    shown = [
        {
            "src": address,
            "name": told.names.get(place, ""),
            "seed": seed,
            "said": _said(told.answers, told.classes, place, seed),
        }
        for _, place, seed in found
        if (address := told.address(place)) is not None
    ]
    return {
        "truth": told.classes[truth],
        "predicted": told.classes[predicted],
        "of": len(found),
        "pictures": shown[:MOST],
    }


def _own(desk: Desk, comparison: str) -> _Told:
    outcome = mine.opened(desk, mine.comparison(desk, comparison))
    if not isinstance(outcome, ClassesOutcome):
        raise RunError(NO_CLASSES)

    def address(place: int) -> str:
        return pictures.address(desk, outcome, f"pictures/{place}.png")

    return _Told(outcome.classes, answers_of(outcome), outcome.names, address)


def _shipped(comparison: str) -> _Told:
    value, source = shipped.content(comparison), shipped.source(comparison)
    if value["task"] != "fewshot":
        raise RunError(NO_CLASSES)
    names = {int(place): name for place, name in value["names"].items()}
    kept = {int(place): source(path) for place, path in value["examples"].items()}
    return _Told(tuple(value["classes"]), shipped.answers(comparison), names, kept.get)


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
