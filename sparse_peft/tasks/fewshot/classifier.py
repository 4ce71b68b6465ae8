"""Classifier folders: with the backbone alone, each says which class a picture shows.

classifier.json                          the card: classes, prompts, backbone
head.safetensors                         of a linear probe or on a vision backbone, beside it
adapter.json, <component>/...            of an adapter, beside it (see methods/adapters)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sparse_peft import tables
from sparse_peft.backbones.vision.view import View
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.files import write_json
from sparse_peft.methods.adapters import SHOWN_DIGITS, open_adapter
from sparse_peft.tasks.fewshot.evaluation import cosine_logits
from sparse_peft.tasks.fewshot.head import read_head
from sparse_peft.tasks.fewshot.recipe import CLASS, CLASSIFIER, check_template
from sparse_peft.tuners.adapter_tensors import check_file

if TYPE_CHECKING:
    from sparse_peft.backbones.clip.model import Clip
    from sparse_peft.backbones.vision.model import Vision

FORMAT = 1
MOST_CLASSES = 10_000
LONGEST_NAME = 300  # letters of a class

Kind = Literal["zeroshot", "head", "adapter", "adapter+head"]


@dataclass(frozen=True)
class Card:
    """What a classifier is, and what it is for."""

    format: int
    kind: Kind
    method: str
    label: str
    """of the method, as shown"""
    run: str
    """its name in the comparison"""
    backbone: str
    backbone_sha256: str
    targets: str
    """how the backbone was taken apart"""
    template: str
    classes: tuple[str, ...]
    scale: float
    """of the cosines"""
    view: View | None = None
    """how a vision backbone is shown a picture, if not as its own settings say"""

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise SpecError(f"format is {self.format}; this version reads {FORMAT}.")
        check_template(self.template)
        if not 1 <= len(self.classes) <= MOST_CLASSES:
            raise SpecError(f"there are {len(self.classes)} classes; expected 1 to {MOST_CLASSES}.")
        for name in self.classes:
            if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
                raise SpecError(f"{name[:LONGEST_NAME]!r} is no name of a class.")
        if not self.scale > 0:
            raise SpecError(f"scale is {self.scale}; expected a number above 0.")

    @property
    def prompts(self) -> tuple[str, ...]:
        """What CLIP reads: one prompt a class."""
        return tuple(self.template.replace(CLASS, name) for name in self.classes)


def write_classifier(folder: Path, card: Card) -> None:
    """Write classifier.json."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CLASSIFIER, tables.table(card))


def read_classifier(folder: Path) -> Card:
    """The card of a classifier folder.

    Raises:
        BackboneError: it is missing or is not what `write_classifier` writes.
    """
    path = folder / CLASSIFIER
    check_file(path)
    try:
        return tables.build(Card, tables.read_json(path), str(path))
    except SpecError as error:
        raise BackboneError(str(error)) from error


class Classifier:
    """A classifier at work on its backbone until it is removed.

    Args:
        logits: class scores of pictures.
        end: leaves the backbone as it was.
    """

    def __init__(
        self, card: Card, logits: Callable[[Tensor], Tensor], end: Callable[[], None]
    ) -> None:
        self.card = card
        self._logits, self._end = logits, end

    @torch.no_grad()
    def probabilities(self, pictures: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B K"]:
        """How likely each class is, for pictures in [-1, 1] as the backbone sees them."""
        return self._logits(pictures).softmax(1).cpu()

    def remove(self) -> None:
        """Leave the backbone as it was, bit for bit."""
        self._end()


def check_backbone(folder: Path, card: Card, backbone_sha256: str) -> None:
    """Return if a classifier was made for this very backbone; a name alone may mean another.

    Raises:
        BackboneError: it was made for another.
    """
    if card.backbone_sha256 != backbone_sha256:
        raise BackboneError(
            f"{folder} was made for another backbone: {card.backbone} with sha256 "
            f"{card.backbone_sha256[:SHOWN_DIGITS]}..., not {backbone_sha256[:SHOWN_DIGITS]}...; "
            "open it on the backbone it was made for."
        )


def open_classifier(folder: Path, clip: "Clip | Vision", backbone_sha256: str) -> Classifier:
    """Put a classifier to work on the backbone it was made for.

    Args:
        clip: taken apart as the card's targets say.

    Raises:
        BackboneError: damaged, hostile, or made for another backbone.
    """
    card = read_classifier(folder)
    check_backbone(folder, card, backbone_sha256)
    if card.kind in ("head", "adapter+head"):
        return _headed(folder, card, clip)
    end = _nothing
    if card.kind == "adapter":
        end = open_adapter(folder, clip.components, backbone_sha256).remove
    return Classifier(card, _cosines(clip, card), end)


def _nothing() -> None:
    """What a classifier has to undo that added nothing."""


def _headed(folder: Path, card: Card, model: "Clip | Vision") -> Classifier:
    """A head, on the backbone as it is or with an adapter at work."""
    head = read_head(folder, _width(model, card), len(card.classes), model.device)
    end = head.lend_token(getattr(model, "cls_token", None))
    if card.kind == "head":
        return Classifier(card, lambda pictures: head.logits(model.pictures(pictures)), end)
    try:
        adapter = open_adapter(folder, model.components, card.backbone_sha256)
    except BaseException:
        end()
        raise

    def remove() -> None:
        adapter.remove()
        end()

    return Classifier(card, lambda pictures: head.logits(model.pictures(pictures)), remove)


@torch.no_grad()
def _width(model: "Clip | Vision", card: Card) -> int:
    """Numbers in a feature."""
    from sparse_peft.backbones.vision.model import Vision

    if isinstance(model, Vision):
        return model.width
    return model.texts(model.tokens(card.prompts[:1])).shape[1]


@torch.no_grad()
def _cosines(model: "Clip | Vision", card: Card) -> Callable[[Tensor], Tensor]:
    from sparse_peft.backbones.clip.model import Clip

    if not isinstance(model, Clip):
        raise BackboneError(f"{card.run} compares prompts, which {card.backbone} does not read.")
    texts = model.texts(model.tokens(card.prompts))
    return lambda pictures: cosine_logits(model.pictures(pictures), texts, card.scale)
