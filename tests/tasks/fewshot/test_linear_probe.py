"""The linear probe is scikit-learn's logistic regression on features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.tasks.fewshot import linear_probe as probes
from sparse_peft.tasks.fewshot.linear_probe import (
    MOST_ITERATIONS,
    STRENGTHS,
    USUAL_STRENGTH,
    linear_probe,
)


def shots(classes: int, each: int, spread: float = 0.6) -> tuple[Tensor, list[int]]:
    generator = torch.Generator().manual_seed(classes)
    centres = torch.randn(classes, 12, generator=generator)
    labels = [k for k in range(classes) for _ in range(each)]
    noise = torch.randn(len(labels), 12, generator=generator)
    return F.normalize(centres[labels] + spread * noise, dim=1), labels


def theirs(features: Tensor, labels: list[int], strength: float) -> np.ndarray:
    model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS)
    model.fit(features.double().numpy(), labels)
    return model.predict_proba(features.double().numpy())


@pytest.mark.parametrize("classes", [2, 4])
def test_with_one_shot_it_is_logistic_regression_of_the_usual_strength(classes: int) -> None:
    features, labels = shots(classes, 1)
    found = linear_probe(features, labels).logits(features).softmax(1)
    np.testing.assert_allclose(found, theirs(features, labels, USUAL_STRENGTH), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_with_more_shots_the_strength_is_the_likeliest_on_what_was_left_out(classes: int) -> None:
    features, labels = shots(classes, 3)
    values, truth = features.double().numpy(), np.asarray(labels)
    scores = []
    for strength in STRENGTHS:
        folds = []
        for turn in range(3):  # shots stand class by class, so each fold has one of every class
            out = np.arange(len(labels)) % 3 == turn
            model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS)
            model.fit(values[~out], truth[~out])
            likely = model.predict_proba(values[out])
            folds.append(np.log(likely[np.arange(classes), truth[out]]).mean())
        scores.append(np.mean(folds))
    best = STRENGTHS[int(np.argmax(scores))]
    found = linear_probe(features, labels).logits(features).softmax(1)
    np.testing.assert_allclose(found, theirs(features, labels, best), atol=1e-5)


def test_where_trying_would_take_too_long_the_usual_strength_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "MOST_CELLS", 10)
    features, labels = shots(4, 3)
    found = linear_probe(features, labels).logits(features).softmax(1)
    np.testing.assert_allclose(found, theirs(features, labels, USUAL_STRENGTH), atol=1e-5)


def test_a_head_is_saved_as_weight_and_bias(tmp_path: Path) -> None:
    head = linear_probe(*shots(3, 1))
    head.save(tmp_path / "deep" / "head.safetensors")
    tensors = load_file(tmp_path / "deep" / "head.safetensors")
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {
        "weight": (3, 12),
        "bias": (3,),
    }
    assert torch.equal(tensors["weight"], head.weight)


def test_a_class_without_a_picture_is_never_named() -> None:
    features, labels = shots(3, 4)
    spread = [(0, 2, 5)[label] for label in labels]
    head = linear_probe(features, spread, 6)
    assert head.weight.shape == (6, 12)
    likely = head.logits(features).softmax(1)
    assert likely[:, [1, 3, 4]].max() == 0
    known = linear_probe(features, labels).logits(features).softmax(1)
    torch.testing.assert_close(likely[:, [0, 2, 5]], known)


def test_features_of_any_norm_give_the_same_probe() -> None:
    features, labels = shots(3, 4)
    known = linear_probe(features, labels)
    long = linear_probe(features * 40, labels, of_unit_norm=False)
    torch.testing.assert_close(
        long.logits(features * 40), known.logits(features), atol=1e-3, rtol=0
    )
