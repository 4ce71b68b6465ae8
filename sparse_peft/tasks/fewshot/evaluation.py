"""What a classifier takes pictures for: its predictions as numbers, and the share that is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int32, Int64
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft.data.labelled import Labelled
from sparse_peft.maths.seeds import keyed_generator
from sparse_peft.tasks.fewshot.recipe import TOP


@dataclass(frozen=True)
class Predictions:
    """What was predicted of each picture; the fields are the tensors of the file."""

    place: Int32[Tensor, " M"]
    """In the labelled set's pictures."""
    label: Int32[Tensor, " M"]
    """The class that it shows, among those told apart."""
    predicted: Int32[Tensor, " M"]
    confidence: Float[Tensor, " M"]
    """Probability of the predicted class."""
    top: Int32[Tensor, "M k"]
    """The likeliest classes, best first."""
    top_confidence: Float[Tensor, "M k"]

    @property
    def accuracy(self) -> float:
        """Share of the pictures whose class was predicted."""
        return (self.predicted == self.label).double().mean().item()

    def save(self, path: Path) -> None:
        """Write them as safetensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(vars(self)), path)


def predictions(
    logits: Float[Tensor, "M K"], places: Sequence[int], labels: Sequence[int]
) -> Predictions:
    """What logits say of the pictures of these places, whose classes are `labels`."""
    likely = logits.float().softmax(1).topk(min(TOP, logits.shape[1]), dim=1)
    confidence, top = likely.values.cpu(), likely.indices.int().cpu()
    return Predictions(
        place=torch.tensor(places, dtype=torch.int32),
        label=torch.tensor(labels, dtype=torch.int32),
        predicted=top[:, 0].clone(),
        confidence=confidence[:, 0].clone(),
        top=top,
        top_confidence=confidence,
    )


def cosine_logits(
    pictures: Float[Tensor, "M D"], texts: Float[Tensor, "K D"], scale: float
) -> Float[Tensor, "M K"]:
    """Cosines of unit vectors in single precision, whatever the autocast, times the scale."""
    with torch.autocast(pictures.device.type, enabled=False):
        return scale * pictures.float() @ texts.float().T


def numbers_of(labels: Sequence[int]) -> dict[int, int]:
    """By its label in the data set, the number of each class among those told apart."""
    return {label: number for number, label in enumerate(labels)}


def balanced(labelled: Labelled, places: Sequence[int], seed: int, most: int) -> list[int]:
    """At most so many of the places, as many of each class as there are, the same every time.

    Args:
        seed: of the draw.
    """
    by_class: dict[int, list[int]] = {}
    for place in places:
        by_class.setdefault(labelled.pictures[place].label, []).append(place)
    turns = [
        (turn, label, own[row])
        for label, own in by_class.items()
        for turn, row in enumerate(_shuffled(len(own), seed, label))
    ]
    return sorted(place for _, _, place in sorted(turns)[:most])


def _shuffled(count: int, seed: int, label: int) -> list[int]:
    order: Int64[Tensor, " n"] = torch.randperm(
        count, generator=keyed_generator("held out", seed, label)
    )
    return [int(row) for row in order]


def labels_at(labelled: Labelled, places: Sequence[int], numbers: Mapping[int, int]) -> list[int]:
    """The number of the class that each picture shows."""
    return [numbers[labelled.pictures[place].label] for place in places]
