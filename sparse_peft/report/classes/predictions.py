"""What was said of each test picture, as a table for a spreadsheet, and read back from it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparse_peft.metrics.answers import Answers
from sparse_peft.report.subject.pictures_csv import harmless

COLUMNS = ("method", "run", "seed", "classes", "place", "picture", "truth", "predicted",
           "confidence", "right")  # fmt: skip


LEARNED = "learned"


@dataclass(frozen=True)
class Said:
    """The answers of one training, or of a reference on one draw."""

    method: str
    run: str
    seed: int
    classes: str
    """learned or new"""
    answers: Answers
    names: Sequence[str]
    """of the classes"""


def predictions_csv(told: Iterable[Said], names: Mapping[int, str]) -> str:
    """One row a method, seed and test picture, as RFC 4180 has it; what is absent is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.

    Args:
        names: of the pictures, by place.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for one in told:
        about = (one.method, one.run, one.seed, one.classes)
        classes = [harmless(name) for name in one.names]
        answers = one.answers
        for place, label, predicted, confidence in zip(
            answers.place.tolist(), answers.label.tolist(), answers.predicted.tolist(),
            answers.confidence.tolist(), strict=True,
        ):  # fmt: skip
            rows.writerow(
                (*about, place, harmless(names.get(place, "")), classes[label],
                 classes[predicted], f"{confidence:.6f}", int(label == predicted))
            )  # fmt: skip
    return text.getvalue()


def read_predictions(path: Path, classes: Sequence[str]) -> dict[str, dict[int, Answers]]:
    """What each row said of the learned classes' pictures, by seed, from a table written so."""
    number = {harmless(name): at for at, name in enumerate(classes)}
    found: dict[str, dict[int, list[tuple[int, int, int, float]]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["classes"] == LEARNED:
                told = found.setdefault(row["method"], {}).setdefault(int(row["seed"]), [])
                told.append(
                    (int(row["place"]), number[row["truth"]], number[row["predicted"]],
                     float(row["confidence"]))
                )  # fmt: skip
    return {
        method: {seed: _answers(told) for seed, told in by_seed.items()}
        for method, by_seed in found.items()
    }


def _answers(told: Sequence[tuple[int, int, int, float]]) -> Answers:
    place, label, predicted, confidence = zip(*told, strict=True)
    return Answers(
        np.array(place, np.int32),
        np.array(label, np.int32),
        np.array(predicted, np.int32),
        np.array(confidence, np.float32),
    )
