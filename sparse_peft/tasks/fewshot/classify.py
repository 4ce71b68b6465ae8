"""What zero-shot CLIP and every classifier of a comparison take pictures for, in one worker."""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.clean import LABELLED
from sparse_peft.data.opening.folder import read_inside
from sparse_peft.data.opening.sandbox import Sandbox
from sparse_peft.data.pictures import MOST_BYTES
from sparse_peft.errors import DataError, SpecError
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.fewshot.classifier import Card, Classifier, open_classifier, read_classifier
from sparse_peft.tasks.fewshot.features import BATCH
from sparse_peft.tasks.fewshot.models import frame_of, load
from sparse_peft.tasks.fewshot.pictures import Frame, as_bytes, scaled
from sparse_peft.tasks.fewshot.recipe import TASK, TOP, ClassifySettings
from sparse_peft.tasks.job import Cancelled, Job

Guesses = list[dict[str, Any]]
"""Class and probability of the likeliest, best first."""


def run(job: Job) -> None:
    """Write report.json: for each picture, what each classifier says."""
    settings = tables.build(ClassifySettings, job.settings, "run.json settings")
    started, of = time.perf_counter(), 1 + len(settings.classifiers)
    inputs = job.folder / "inputs"

    def begin(text: str, done: int) -> None:
        if done and job.should_stop():
            raise Cancelled(done)
        job.emit("stage", text=text, done=done, of=of)

    folders = {name: inputs / name for name in settings.classifiers}
    pictures = {name: inputs / "pictures" / name for name in settings.pictures}
    rows = classify(folders, pictures, devices.torch_device(job.device), begin)
    job.report({"pictures": rows, "seconds": time.perf_counter() - started})


def classify(
    folders: Mapping[str, Path],
    pictures: Mapping[str, Path],
    device: torch.device,
    begin: Callable[[str, int], None],
) -> list[dict[str, Any]]:
    """For each picture its `name`, and `results`: by classifier, the likeliest classes.

    Args:
        folders: of the classifiers, by name.
        pictures: files by name.
        begin: is told what comes next and how much is done.

    Raises:
        BackboneError: a folder is no classifier, or for another backbone.
        DataError: a picture cannot be read.
        SpecError: the classifiers do not belong together.
    """
    begin("Loading the backbone", 0)
    cards = {name: read_classifier(folder) for name, folder in folders.items()}
    source = sources.resolve(_backbone(list(cards.values())), TASK)
    sha256 = sources.fingerprint(source)
    # All of one comparison are shown a picture alike.
    view = next(iter(cards.values())).view
    clip = load(source, device, _targets(list(cards.values())), view)
    squares = torch.stack(list(_squares(pictures, frame_of(clip))))
    rows: list[dict[str, Any]] = [{"name": name, "results": {}} for name in pictures]
    for done, (name, card) in enumerate(cards.items(), 1):
        begin(f"Asking {card.label}", done)
        opened = open_classifier(folders[name], clip, sha256)
        for row, guesses in zip(rows, _guesses(opened, squares, clip.device), strict=True):
            row["results"][name] = guesses
        opened.remove()
    return rows


def _backbone(cards: Sequence[Card]) -> str:
    names = {card.backbone for card in cards}
    if len(names) != 1:
        raise SpecError(
            f"the classifiers are for {len(names)} backbones; ask those of one comparison together"
        )
    if len({card.view for card in cards}) != 1:
        raise SpecError(
            "the classifiers are shown pictures in different ways; ask those of one comparison "
            "together"
        )
    return names.pop()


def _targets(cards: Sequence[Card]) -> str:
    """How the adapters want the backbone taken apart; to the others it is the same."""
    names = {card.targets for card in cards if "adapter" in card.kind}
    if len(names) > 1:
        raise SpecError(
            f"the adapters are for different targets ({', '.join(sorted(names))}); ask those of "
            "one comparison together"
        )
    return names.pop() if names else cards[0].targets


def _squares(pictures: Mapping[str, Path], frame: Frame) -> Iterator[UInt8[Tensor, "3 s s"]]:
    """Each picture as the backbone sees it, decoded in a limited process."""
    with Sandbox(sizes=LABELLED) as sandbox:
        for name, path in pictures.items():
            try:
                decoded = sandbox.decode(read_inside(path, MOST_BYTES))
            except UnreadableError as error:
                raise DataError(f"{name} could not be read: {error}.") from error
            yield as_bytes(frame(Image.open(io.BytesIO(decoded.png), formats=["PNG"])))


def _guesses(
    classifier: Classifier, squares: UInt8[Tensor, "B 3 s s"], device: torch.device
) -> list[Guesses]:
    classes = classifier.card.classes
    parts = [
        classifier.probabilities(scaled(squares[start : start + BATCH], device))
        for start in range(0, len(squares), BATCH)
    ]
    likely = torch.cat(parts).topk(min(TOP, len(classes)), dim=1)
    return [
        [{"class": classes[k], "probability": p} for k, p in zip(top, confidence, strict=True)]
        for top, confidence in zip(likely.indices.tolist(), likely.values.tolist(), strict=True)
    ]
