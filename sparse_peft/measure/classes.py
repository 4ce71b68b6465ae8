"""What few-shot runs said of their test pictures: read, checked, and as the metrics of a row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sparse_peft.comparison import REPORT, ClassesOutcome
from sparse_peft.errors import RunError
from sparse_peft.metrics import answers as said
from sparse_peft.metrics import labels
from sparse_peft.metrics.answers import Answers, Row
from sparse_peft.metrics.intervals import Interval
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, TOP

METRICS = ("accuracy", "macro_f1", "calibration_error", "per_class", "new_accuracy",
           "harmonic_mean")  # fmt: skip
MOST_CONFUSED = 15  # pairs of classes that a row lists
DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError)

Table = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Classified:
    """What one training, or a reference on one draw, said of its test pictures."""

    report: Table
    answers: Answers
    new: Answers | None
    """of the new classes, where there are any and it knows them: a linear probe does not"""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the prepare run left: its report, the test pictures, and what the references said."""

    report: Table
    draws: Mapping[int, Mapping[str, Sequence[int]]]
    """by seed: places of the test pictures, and under "new" those of the new classes"""
    references: Mapping[str, Mapping[int, Classified]]
    """by name, then seed"""

    def truth(self, seed: int) -> Classified:
        """What every row's answers are held against: pictures and labels of a draw."""
        return next(iter(self.references.values()))[seed]


def read_prepared(outcome: ClassesOutcome) -> Prepared:
    """What lies in the folder of a finished prepare run.

    Raises:
        RunError: something is missing, damaged, or not what was asked for.
    """
    folder = outcome.prepare
    try:
        report = _json(folder / REPORT)
        told = _json(folder / "draws.json")
        draws = {seed: told[str(seed)] for seed in outcome.seeds}
        references = {
            name: {
                seed: _read(folder / "predictions" / f"{name}-s{seed}", outcome, draws[seed],
                            report["runs"][f"{name}-s{seed}"], knows_new=name != LINEAR_PROBE)
                for seed in outcome.seeds
            }
            for name in outcome.references
        }  # fmt: skip
        prepared = Prepared(report, draws, references)
        for row in references.values():
            for seed, one in row.items():
                _check_labels(one, prepared.truth(seed))
    except DAMAGE as error:
        raise _damaged(folder, error) from error
    return prepared


def read_run(folder: Path, seed: int, outcome: ClassesOutcome, prepared: Prepared) -> Classified:
    """What a training left in its folder.

    Raises:
        RunError: something is missing, damaged, or about other pictures than the draw's.
    """
    try:
        report = _json(folder / REPORT)
        found = _read(folder / "predictions", outcome, prepared.draws[seed], report)
        _check_labels(found, prepared.truth(seed))
    except DAMAGE as error:
        raise _damaged(folder, error) from error
    return found


def metrics(row: Sequence[Classified], outcome: ClassesOutcome) -> dict[str, Any]:
    """Each metric as {"mean", "low", "high"}, or None where it was not measured."""
    if not row:
        return dict.fromkeys(METRICS)
    learned: Row = tuple(one.answers for one in row)
    new: Row = tuple(one.new for one in row if one.new)
    classes = labels.per_class(learned, len(outcome.classes))
    return {
        "accuracy": labels.accuracy(learned)._asdict(),
        "macro_f1": labels.macro_f1(learned)._asdict(),
        "calibration_error": labels.calibration_error(learned)._asdict(),
        "per_class": {
            name: _table(value) for name, value in zip(outcome.classes, classes, strict=True)
        },
        "new_accuracy": _table(labels.accuracy(new) if new else None),
        "harmonic_mean": _table(labels.harmonic(learned, new) if new else None),
    }


def confusion(row: Sequence[Classified], classes: int) -> Int[np.ndarray, "K K"]:
    """How often each class was taken for which, over all draws."""
    return said.confusion(tuple(one.answers for one in row), classes)


def most_confused(counts: Int[np.ndarray, "K K"]) -> list[dict[str, int]]:
    """The pairs of classes that were taken for each other most often, by number of class."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    return [
        {"truth": int(truth), "predicted": int(predicted), "count": int(wrong[truth, predicted]),
         "of": int(counts[truth].sum())}
        for truth, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[truth, predicted]
    ]  # fmt: skip


def _table(value: Interval | None) -> dict[str, Any] | None:
    return value and value._asdict()


def _json(path: Path) -> Table:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no table")
    return found


def _read(
    stem: Path,
    outcome: ClassesOutcome,
    draw: Mapping[str, Sequence[int]],
    report: Table,
    *,
    knows_new: bool = True,
) -> Classified:
    new = outcome.new_classes if knows_new else ()
    return Classified(
        report,
        _answers(stem.with_name(f"{stem.name}.safetensors"), len(outcome.classes), draw["test"]),
        _answers(stem.with_name(f"{stem.name}-new.safetensors"), len(new), draw["new"])
        if new
        else None,
    )


def _answers(path: Path, classes: int, places: Sequence[int]) -> Answers:
    """The answers in a file, by place.

    Raises:
        ValueError: they are not what a classifier of these classes says of these pictures.
    """
    told = load_file(path)
    order = np.argsort(told["place"], kind="stable")
    if told["place"].ndim != 1 or not np.array_equal(told["place"][order], np.sort(places)):
        raise ValueError(f"{path.name} is about other pictures than its draw")
    for name in ("label", "predicted", "confidence"):
        if told[name].shape != told["place"].shape:
            raise ValueError(f"{name} of {path.name} is {list(told[name].shape)}")
    for name in ("top", "top_confidence"):
        if told[name].shape != (len(places), min(TOP, classes)):
            raise ValueError(f"{name} of {path.name} is {list(told[name].shape)}")
    for name in ("label", "predicted", "top"):
        _check_range(told[name], float(classes - 1), f"{name} of {path.name}")
    for name in ("confidence", "top_confidence"):
        _check_range(told[name], 1.0, f"{name} of {path.name}")
    return Answers(*(told[name][order] for name in ("place", "label", "predicted", "confidence")))


def _check_range(
    values: Int[np.ndarray, "..."] | Float[np.ndarray, "..."], most: float, name: str
) -> None:
    if not values.size or not ((values >= 0) & (values <= most)).all():  # nor is a NaN
        raise ValueError(f"{name} is not from 0 to {most:g}")


def _check_labels(one: Classified, truth: Classified) -> None:
    for mine, theirs in ((one.answers, truth.answers), (one.new, truth.new)):
        if mine and theirs and not np.array_equal(mine.label, theirs.label):
            raise ValueError("labels are not those of the draw")


def _damaged(folder: Path, error: Exception) -> RunError:
    return RunError(f"{folder} is damaged: its results cannot be read ({error}).")
