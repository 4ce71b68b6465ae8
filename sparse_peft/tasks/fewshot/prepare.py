"""What the runs of a few-shot comparison share: the draws, frozen features, the references."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.clip.model import Clip
from sparse_peft.backbones.source import Source
from sparse_peft.data.labelled import Labelled
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.fewshot.draws import Drawn, all_draws, needed, write_draws
from sparse_peft.tasks.fewshot.features import Model, batches, prompted
from sparse_peft.tasks.fewshot.models import frame_of, load
from sparse_peft.tasks.fewshot.pictures import Pictures, scaled
from sparse_peft.tasks.fewshot.recipe import TASK, Classes, ClassPrepareSettings
from sparse_peft.tasks.fewshot.references import Bench, references
from sparse_peft.tasks.job import Cancelled, Job

FEATURES_FILE = "features.safetensors"
PICTURES_FILE = "pictures.safetensors"
MOST_BYTES = 512 << 20  # of PICTURES_FILE; a larger set is decoded again by each training
ALIKE = 0.99  # cosine of two prompts above which what tells them apart is lost in the noise
MOST_ALIKE = 3  # pairs that are named
STAGES = 4


@dataclass(frozen=True)
class _Base:
    """The untouched backbone, and what is known of it."""

    clip: Model
    source: Source
    sha256: str


def run(job: Job) -> None:
    """Fill the run's folder with draws, features, predictions and classifiers, then report.json."""
    settings = tables.build(ClassPrepareSettings, job.settings, "run.json settings")
    shared, started = settings.shared, time.perf_counter()
    _stage(job, "Loading the backbone", 0)
    base = _loaded(shared, devices.torch_device(job.device))
    _stage(job, "Reading the pictures and prompts", 1)
    labelled = Labelled.load(job.folder / "inputs")
    draws = all_draws(labelled, shared)
    with torch.no_grad(), devices.accelerator(job.device, shared.precision).autocast():
        frozen = _prompts(base.clip, shared) | _pictures(job, base.clip, labelled, needed(draws))
    learned = frozen.get("texts")
    write_draws(job.folder, draws)
    save_file(frozen, job.folder / FEATURES_FILE)
    _stage(job, "Testing the references", 3)
    bench = Bench(shared, labelled, draws, frozen, base.clip.scale, base.source.id, base.sha256,
                  reads_prompts=learned is not None)  # fmt: skip
    found = references(settings.references, bench, job.folder)
    job.report(
        found
        | _about(base, shared, labelled, draws)
        | {
            "alike": [] if learned is None else alike(learned, shared.classes),
            "seconds": time.perf_counter() - started,
            "device": devices.describe(job.device),
            "versions": devices.versions() | timm_version(base.source),
        }
    )


def _stage(job: Job, text: str, done: int) -> None:
    """Say what comes next, unless the run was asked to stop: half of it is of no use."""
    _go_on(job)
    job.emit("stage", text=text, done=done, of=STAGES)


def _go_on(job: Job) -> None:
    if job.should_stop():
        raise Cancelled(0)


def _loaded(shared: Classes, device: torch.device) -> _Base:
    source = sources.resolve(shared.backbone, TASK)
    clip = load(source, device, shared.targets, shared.view)
    return _Base(clip, source, sources.fingerprint(source))


def _prompts(clip: Model, shared: Classes) -> dict[str, Float[Tensor, "_ D"]]:
    """Features of the prompts; a vision backbone reads none."""
    if not isinstance(clip, Clip):
        return {}
    return {
        name: clip.texts(clip.tokens(prompts)).float().cpu().contiguous()
        for name, prompts in prompted(shared).items()
    }


def _pictures(job: Job, clip: Model, labelled: Labelled, places: list[int]) -> dict[str, Tensor]:
    """Features of these pictures; the squares they are made from are kept where there is room."""
    pictures = Pictures(labelled, job.folder / "inputs", frame_of(clip), most_bytes=0)
    bytes_each = 3 * clip.side**2
    keep = labelled.root is None and len(places) * bytes_each <= MOST_BYTES
    kept: list[Tensor] = []
    _stage(job, "Encoding the pictures", 2)

    def seen(pixels: UInt8[Tensor, "B 3 s s"]) -> Float[Tensor, "B D"]:
        _go_on(job)
        if keep:
            kept.append(pixels)
        return clip.pictures(scaled(pixels, clip.device)).float().cpu()

    features = torch.cat(list(batches(pictures, places, seen)))
    numbers = torch.tensor(places, dtype=torch.int32)
    if keep:
        save_file({"places": numbers, "pixels": torch.cat(kept)}, job.folder / PICTURES_FILE)
    return {"places": numbers, "pictures": features}


def _about(
    base: _Base, shared: Classes, labelled: Labelled, draws: Mapping[int, Drawn]
) -> dict[str, Any]:
    source = base.source
    return {
        "backbone": {
            "id": source.id, "title": source.title, "note": source.note, "sha256": base.sha256,
        },
        "classes": list(shared.classes),
        "new_classes": list(shared.new_classes),
        "pictures": {str(place): labelled.pictures[place].file for place in needed(draws)},
    }  # fmt: skip


def timm_version(source: Source) -> dict[str, str]:
    """timm's version, where the backbone is one of its."""
    return {"timm": version("timm")} if source.kind == "vision" else {}


def alike(texts: Float[Tensor, "K D"], classes: Sequence[str]) -> list[list[str]]:
    """Pairs of classes whose prompts CLIP can hardly tell apart, nearest first, a few of them."""
    cosines = (texts @ texts.T).triu(diagonal=1).flatten()
    nearest = cosines.topk(min(MOST_ALIKE, len(cosines)))
    places = [divmod(int(i), len(classes)) for i in nearest.indices]
    return [
        [classes[a], classes[b]]
        for (a, b), cosine in zip(places, nearest.values.tolist(), strict=True)
        if cosine > ALIKE
    ]


def framed_before(folder: Path) -> dict[int, UInt8[Tensor, "3 s s"]]:
    """The squares that a prepare run left in a folder, by place; none where it left none."""
    from safetensors.torch import load_file

    path = folder / PICTURES_FILE
    if not path.is_file():
        return {}
    found = load_file(path)
    places = found["places"].tolist()
    return dict(zip(places, found["pixels"], strict=True))
