"""Predictions as numbers."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from sparse_peft.data.labelled import Labelled, LabelledPicture
from sparse_peft.tasks.fewshot.evaluation import (
    balanced,
    cosine_logits,
    labels_at,
    numbers_of,
    predictions,
)


def in_place(counts: tuple[int, ...]) -> Labelled:
    rows = [(label, number) for label, many in enumerate(counts) for number in range(many)]
    pictures = tuple(LabelledPicture(f"{c}/{n}.jpg", c, "test", f"{c}{n}") for c, n in rows)
    return Labelled(tuple("abcdefgh"[: len(counts)]), pictures, "set", "/data")


def test_predictions_are_the_likeliest_classes_and_their_probabilities(tmp_path: Path) -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0, 0, -1, -2, -3], [9.0, 0, 0, 0, 0, 0, 0]])
    found = predictions(logits, places=[7, 3], labels=[1, 2])
    assert found.predicted.tolist() == [1, 0]
    assert found.top[0].tolist() == [1, 2, 0, 3, 4]
    assert found.accuracy == 0.5
    torch.testing.assert_close(found.confidence, logits.softmax(1).max(1).values)
    found.save(tmp_path / "deep" / "x.safetensors")
    tensors = load_file(tmp_path / "deep" / "x.safetensors")
    assert {name: (str(t.dtype), list(t.shape)) for name, t in tensors.items()} == {
        "place": ("torch.int32", [2]), "label": ("torch.int32", [2]),
        "predicted": ("torch.int32", [2]), "confidence": ("torch.float32", [2]),
        "top": ("torch.int32", [2, 5]), "top_confidence": ("torch.float32", [2, 5]),
    }  # fmt: skip


def test_two_classes_have_two_guesses() -> None:
    assert predictions(torch.zeros(1, 2), [0], [0]).top.shape == (1, 2)


def test_logits_are_in_single_precision_whatever_the_autocast() -> None:
    pictures, texts = torch.randn(3, 8), torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = cosine_logits(pictures, texts, 100.0)
    assert torch.equal(found, 100.0 * pictures @ texts.T)


def test_some_test_pictures_are_of_all_classes_alike_and_always_the_same() -> None:
    labelled = in_place((10, 3, 10))
    places = list(range(23))
    some = balanced(labelled, places, seed=1, most=11)
    assert labelled.counts("test") == (10, 3, 10)
    counts = [sum(labelled.pictures[p].label == k for p in some) for k in range(3)]
    assert counts == [4, 3, 4]
    assert some == balanced(labelled, places, seed=1, most=11)
    assert some != balanced(labelled, places, seed=2, most=11)
    assert balanced(labelled, places, seed=1, most=512) == places


def test_classes_are_numbered_among_those_told_apart() -> None:
    labelled = in_place((1, 1, 1, 1))
    assert labels_at(labelled, [3, 1], numbers_of([1, 3])) == [1, 0]
