"""The table of what was said of each test picture: written, and read back."""

from pathlib import Path

import numpy as np
import pytest

from sparse_peft.metrics.answers import Answers
from sparse_peft.report.classes.predictions import Said, predictions_csv, read_predictions

CLASSES = ("owl", "=cat", "dog, small")


def answers(*places: int) -> Answers:
    label = np.array([place % 3 for place in places], np.int32)
    sure = np.linspace(0.4, 0.9, len(places), dtype=np.float32)
    return Answers(np.array(places, np.int32), label, label[::-1].copy(), sure)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    told = {("lora", 1): answers(3, 4, 8), ("lora", 2): answers(5), ("so", 1): answers(3, 4)}
    said = [
        Said(method, f"{method}-s{seed}", seed, "learned", one, CLASSES)
        for (method, seed), one in told.items()
    ]
    new = Said("lora", "lora-s1", 1, "new", answers(9), ("fox", "wolf", "ape"))
    path = tmp_path / "predictions.csv"
    path.write_text(predictions_csv([*said, new], {3: "=1+1", 4: "a\nb"}), newline="")
    found = read_predictions(path, CLASSES)
    assert {(method, seed) for method, by_seed in found.items() for seed in by_seed} == set(told)
    for (method, seed), one in told.items():
        again = found[method][seed]
        for name in ("place", "label", "predicted"):
            assert np.array_equal(getattr(again, name), getattr(one, name))
        assert again.confidence == pytest.approx(one.confidence, abs=1e-6)
