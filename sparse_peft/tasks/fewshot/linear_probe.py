"""A linear probe: logistic regression on frozen features of the shots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

HEAD_FILE = "head.safetensors"
STRENGTHS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)  # scikit-learn's C: the larger, the freer
USUAL_STRENGTH = 100.0  # where nothing can be left out: one shot, or too much to repeat
MOST_FOLDS = 4
MOST_CELLS = 200_000  # pictures times classes for which every strength is tried
MOST_ITERATIONS = 10_000
UNSEEN = -1e4  # score of a class without a picture


@dataclass(frozen=True)
class LinearHead:
    """Class scores as a linear function of features; their softmax is the probability."""

    weight: Float[Tensor, "K D"]
    bias: Float[Tensor, " K"]

    def logits(self, features: Float[Tensor, "M D"]) -> Float[Tensor, "M K"]:
        """The scores of each class."""
        return features @ self.weight.T + self.bias

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"weight": self.weight.contiguous(), "bias": self.bias.contiguous()}, path)


def linear_probe(
    features: Float[Tensor, "N D"],
    labels: Sequence[int],
    classes: int | None = None,
    *,
    of_unit_norm: bool = True,
) -> LinearHead:
    """Multinomial logistic regression by L-BFGS on the features of the shots alone.

    How strongly it is regularised is chosen among STRENGTHS by cross-validation that leaves out a
    shot or more of every class at a time, by the log-likelihood of what was left out. With one shot
    of a class nothing can be left out, and it is USUAL_STRENGTH. A class without a picture gets a
    score that is never the highest.

    Args:
        classes: how many there are, where some may have no picture; None: as many as have one.
        of_unit_norm: whether the features are; others are divided by their mean norm, for which
            the head makes up.

    Source: Radford et al. 2021 (CLIP), arXiv:2103.00020, section 3.2: L-BFGS, its strength chosen
        on validation pictures. CoOp's few-shot probe (KaiyangZhou/CoOp@ff61507 lpclip/) has some
        too; here nothing but the shots is seen, as by the methods beside it.
    """
    from sklearn.linear_model import LogisticRegression

    unit = 1.0 if of_unit_norm else features.norm(dim=1).mean().item()
    values, truth = features.double().numpy() / unit, np.asarray(labels)
    model = LogisticRegression(C=_strength(values, truth), max_iter=MOST_ITERATIONS)
    model.fit(values, truth)
    weight, bias = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
    if len(weight) == 1:  # of two classes, scikit-learn keeps the difference of the scores
        weight, bias = (torch.cat([torch.zeros_like(part), part]) for part in (weight, bias))
    known = np.unique(truth)
    if classes is not None and len(known) < classes:
        weight, bias = _spread(weight, bias, known, classes)
    return LinearHead((weight / unit).float(), bias.float())


def _spread(
    weight: Float[Tensor, "_ D"], bias: Float[Tensor, " _"], known: np.ndarray, classes: int
) -> tuple[Float[Tensor, "K D"], Float[Tensor, " K"]]:
    """The scores at the places of their classes among all."""
    places = torch.from_numpy(known)
    rows = torch.zeros(classes, weight.shape[1], dtype=weight.dtype)
    ends = torch.full((classes,), UNSEEN, dtype=bias.dtype)
    rows[places], ends[places] = weight, bias
    return rows, ends


def _strength(features: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    counts = np.unique(labels, return_counts=True)[1]
    folds = min(MOST_FOLDS, int(counts.min()))
    if folds < 2 or len(labels) * len(counts) > MOST_CELLS:
        return USUAL_STRENGTH
    split = StratifiedKFold(folds)
    scores = [
        cross_val_score(
            LogisticRegression(C=strength, max_iter=MOST_ITERATIONS),
            features, labels, cv=split, scoring="neg_log_loss",
        ).mean()
        for strength in STRENGTHS
    ]  # fmt: skip
    return STRENGTHS[int(np.argmax(scores))]
