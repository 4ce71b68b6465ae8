"""What the methods are compared with: functions of frozen features, outside the budget."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from sparse_peft.data.labelled import Labelled
from sparse_peft.tasks.fewshot.classifier import FORMAT, Card, write_classifier
from sparse_peft.tasks.fewshot.draws import Drawn
from sparse_peft.tasks.fewshot.evaluation import (
    cosine_logits,
    labels_at,
    numbers_of,
    predictions,
)
from sparse_peft.tasks.fewshot.features import scale_of
from sparse_peft.tasks.fewshot.linear_probe import HEAD_FILE, linear_probe
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ZERO_SHOT, Classes


@dataclass(frozen=True)
class Bench:
    """Frozen features, and everything needed to judge a classifier by them."""

    shared: Classes
    labelled: Labelled
    draws: Mapping[int, Drawn]
    frozen: Mapping[str, Tensor]
    backbone_scale: float
    backbone: str
    backbone_sha256: str
    reads_prompts: bool = True
    """whether the backbone is a CLIP, whose features have unit norm"""

    def features(self, places: Sequence[int]) -> Float[Tensor, "M D"]:
        """Of the pictures of these places."""
        rows = {int(place): row for row, place in enumerate(self.frozen["places"])}
        return self.frozen["pictures"][[rows[place] for place in places]]

    def labels(self, places: Sequence[int]) -> list[int]:
        """The numbers of their classes, among those told apart."""
        learned = len(self.shared.classes)
        known = numbers_of(self.shared.labels[:learned])
        return labels_at(self.labelled, places, known | numbers_of(self.shared.labels[learned:]))

    def test(self, folder: Path, name: str, places: Sequence[int], logits: Tensor) -> float:
        """Write the predictions of a classifier; its accuracy."""
        found = predictions(logits, places, self.labels(places))
        found.save(folder / "predictions" / f"{name}.safetensors")
        return found.accuracy

    def card(self, kind: Literal["zeroshot", "head"], name: str, label: str, run: str) -> Card:
        """What a folder needs to classify pictures."""
        shared = self.shared
        return Card(
            FORMAT, kind, name, label, run, self.backbone, self.backbone_sha256, shared.targets,
            shared.template, shared.classes, scale_of(self.backbone_scale, shared), shared.view,
        )  # fmt: skip


Rows = dict[str, dict[str, Any]]


def references(names: Sequence[str], bench: Bench, folder: Path) -> dict[str, Rows]:
    """Compute and test some references: seconds of each, accuracy of each with each seed."""
    spent: Rows = {}
    runs: Rows = {}
    for name in names:
        started = time.perf_counter()
        runs |= _REFERENCES[name](bench, folder)
        spent[name] = {"seconds": time.perf_counter() - started}
    return {"references": spent, "runs": runs}


def _zero_shot(bench: Bench, folder: Path) -> Rows:
    """Each picture is of the class whose prompt is nearest."""
    rows: Rows = {}
    scale = scale_of(bench.backbone_scale, bench.shared)
    for seed, drawn in bench.draws.items():
        started, name = time.perf_counter(), f"{ZERO_SHOT}-s{seed}"
        logits = cosine_logits(bench.features(drawn.test), bench.frozen["texts"], scale)
        rows[name] = {"accuracy": bench.test(folder, name, drawn.test, logits)}
        if drawn.new:
            logits = cosine_logits(bench.features(drawn.new), bench.frozen["new_texts"], scale)
            bench.test(folder, f"{name}-new", drawn.new, logits)
        rows[name]["seconds"] = time.perf_counter() - started
    card = bench.card("zeroshot", ZERO_SHOT, "Zero-shot", ZERO_SHOT)
    write_classifier(folder / "classifiers" / ZERO_SHOT, card)
    return rows


def _linear_probe(bench: Bench, folder: Path) -> Rows:
    """Logistic regression on the shots of each draw; it knows no new classes."""
    rows: Rows = {}
    for seed, drawn in bench.draws.items():
        started, name = time.perf_counter(), f"{LINEAR_PROBE}-s{seed}"
        head = linear_probe(
            bench.features(drawn.train), bench.labels(drawn.train), len(bench.shared.classes),
            of_unit_norm=bench.reads_prompts,
        )  # fmt: skip
        accuracy = bench.test(folder, name, drawn.test, head.logits(bench.features(drawn.test)))
        head.save(folder / "heads" / f"{name}.safetensors")
        own = folder / "classifiers" / name
        head.save(own / HEAD_FILE)
        write_classifier(own, bench.card("head", LINEAR_PROBE, "Linear probe", name))
        rows[name] = {"accuracy": accuracy, "seconds": time.perf_counter() - started}
    return rows


_REFERENCES: dict[str, Callable[[Bench, Path], Rows]] = {
    ZERO_SHOT: _zero_shot,
    LINEAR_PROBE: _linear_probe,
}
