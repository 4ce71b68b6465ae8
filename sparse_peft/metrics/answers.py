"""What a classifier said of test pictures, and how well: one draw of the shots at a time.

The values come from scikit-learn. M test pictures, K classes.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 15  # of the calibration error, of equal width


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions for the test pictures of one draw; two with equal content are equal."""

    place: Int[np.ndarray, " M"]
    """of each picture in the data set, each once"""
    label: Int[np.ndarray, " M"]
    predicted: Int[np.ndarray, " M"]
    confidence: Float[np.ndarray, " M"]
    """probability of the predicted class"""

    @cached_property
    def right(self) -> Bool[np.ndarray, " M"]:
        """Which pictures were recognised."""
        return np.asarray(self.label == self.predicted)

    @cached_property
    def digest(self) -> bytes:
        """Of the content."""
        found = hashlib.blake2b(digest_size=16)
        for rows in (self.place, self.label, self.predicted, self.confidence):
            found.update(np.ascontiguousarray(rows).tobytes())
        return found.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answers) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


Row = tuple[Answers, ...]  # what one method said, draw by draw


def accuracy(answers: Answers) -> float:
    """Fraction of the test pictures that were recognised."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(answers.label, answers.predicted))


def macro_f1(answers: Answers) -> float:
    """Mean over the classes of F1; a class that is neither there nor predicted does not count."""
    from sklearn.metrics import f1_score

    found = f1_score(answers.label, answers.predicted, average="macro", zero_division=0.0)
    return float(found)


def calibration_error(answers: Answers) -> float:
    """Expected calibration error of the predicted class: 15 bins of equal width.

    Mean over the bins, weighted by their pictures, of |fraction recognised - mean confidence|.

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    from sklearn.calibration import calibration_curve

    recognised, sure = calibration_curve(answers.right, answers.confidence, n_bins=BINS)
    counts = np.bincount(bins(answers.confidence), minlength=BINS)
    return float(np.average(np.abs(recognised - sure), weights=counts[counts > 0]))


def confusion(row: Row, classes: int) -> Int[np.ndarray, "K K"]:
    """How often each class, the row, was taken for which, the column; over all draws."""
    from sklearn.metrics import confusion_matrix

    label = np.concatenate([answers.label for answers in row])
    predicted = np.concatenate([answers.predicted for answers in row])
    return np.asarray(confusion_matrix(label, predicted, labels=np.arange(classes)))


def bins(confidence: Float[np.ndarray, " M"]) -> Int[np.ndarray, " M"]:
    """The bin of each confidence, its upper end included, as scikit-learn has them."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    return np.asarray(np.searchsorted(edges[1:-1], confidence))
