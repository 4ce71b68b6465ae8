"""What the runs of a comparison share, made once: latents, embeddings, the base's pictures."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sparse_peft import tables
from sparse_peft.backbones import judge as judges
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.data.subject import Subject
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.dreambooth.gallery import Gallery, read_picture
from sparse_peft.tasks.dreambooth.recipe import PriorSettings, Shared
from sparse_peft.tasks.job import Cancelled, Job

PRIOR_SEED_OFFSET = 50_000  # neither an evaluation seed nor one of another run's


def run(job: Job) -> None:
    """Fill the run's folder with shared and features.safetensors, samples/base, report.json."""
    shared = tables.build(Shared, job.settings, "run.json settings")
    started = time.perf_counter()
    device = devices.torch_device(job.device)
    _stage(job, "Loading the backbone", 0)
    source = sources.resolve(shared.backbone)
    backbone = diffusion.load(source, device)
    judge = judges.load(shared.judge, device) if shared.judge else None
    _stage(job, "Encoding the pictures and prompts", 1)
    subject = Subject.load(job.folder / "inputs")
    with torch.no_grad(), devices.accelerator(job.device, shared.precision).autocast():
        prepared = _pictures(backbone, subject, shared, job.folder / "inputs")
        prepared |= _embeddings(backbone, subject, shared)
        if shared.prior:
            _stage(job, "Drawing pictures of the class", 2)
            prepared |= _prior(backbone, shared.prior, shared, prepared)
        features = _references(judge, subject, shared, job.folder / "inputs") if judge else {}
        prepared |= {f"features/{key}": value for key, value in features.items()}
        _stage(job, "Drawing the base's pictures", 3)
        gallery = Gallery(backbone, judge, shared, prepared, job.folder, job.emit)
        drawn = gallery.samples(0, "base", shared.seeds)
        ordinary = gallery.class_features()
    if ordinary is not None:
        features |= drawn.features | {"class": ordinary}
    _save(job.folder / "shared.safetensors", prepared)
    _save(job.folder / "features.safetensors", features)
    job.report(
        {
            "backbone": {
                "id": source.id, "title": source.title,
                "note": source.note, "sha256": sources.fingerprint(source),
            },
            "judge": {"id": judge.id, "revision": judge.revision} if judge else None,
            "training_prompts": list(subject.training_prompts()),
            "prompts": [shared.drawn(p) for p in shared.prompts],
            "plain_prompts": [shared.plain(p) for p in shared.prompts],
            "seeds": list(shared.seeds),
            "samples": drawn.rows,
            "seconds": time.perf_counter() - started,
            "device": devices.describe(job.device),
            "versions": devices.versions(),
        }
    )  # fmt: skip


def _stage(job: Job, text: str, done: int) -> None:
    """Say what comes next, unless the run was asked to stop: half of it is of no use."""
    if job.should_stop():
        raise Cancelled(0)
    job.emit("stage", text=text, done=done, of=4)


def _pictures(
    backbone: diffusion.Diffusion, subject: Subject, shared: Shared, folder: Path
) -> dict[str, Tensor]:
    means, stds, sizes = [], [], []
    for picture in subject.pictures:
        square = read_picture(folder / picture.file, picture.crop, shared.resolution)
        mean, std = backbone.encode(square[None])
        means.append(mean.cpu())
        stds.append(std.cpu())
        side = picture.crop[2] - picture.crop[0]
        sizes.append(backbone.time_ids((side, side), shared.resolution))
    prompts = list(dict.fromkeys(subject.training_prompts()))
    return {
        "latents/mean": torch.cat(means),
        "latents/std": torch.cat(stds),
        "pictures/time_ids": torch.stack(sizes),
        "pictures/prompt": torch.tensor([prompts.index(p) for p in subject.training_prompts()]),
    }


def _embeddings(
    backbone: diffusion.Diffusion, subject: Subject, shared: Shared
) -> dict[str, Tensor]:
    groups: dict[str, Sequence[str]] = {
        "training": list(dict.fromkeys(subject.training_prompts())),
        "test": [shared.drawn(p) for p in shared.prompts],
    }
    named = {
        f"{group}/{i}": value
        for group, prompts in groups.items()
        for i, value in enumerate(backbone.embed(prompts))
    }
    named["class"] = backbone.embed([shared.class_prompt])[0]
    named["negative"] = backbone.negative()
    return {f"{name}/{key}": v for name, value in named.items() for key, v in value.items()}


def _prior(
    backbone: diffusion.Diffusion, prior: PriorSettings, shared: Shared, prepared: dict[str, Tensor]
) -> dict[str, Tensor]:
    keys = [key.split("/")[1] for key in prepared if key.startswith("class/")]
    ordinary = {key: prepared[f"class/{key}"] for key in keys}
    negative = {key: prepared[f"negative/{key}"] for key in keys}
    seeds = [PRIOR_SEED_OFFSET + i for i in range(prior.pictures)]
    drawn = backbone.sample(
        [ordinary] * prior.pictures, seeds, negative, shared.sampling, shared.resolution
    )
    latents = torch.cat([backbone.encode(picture[None])[0].cpu() for picture in drawn])
    side = shared.resolution
    return {
        "prior/latents": latents,
        "prior/time_ids": backbone.time_ids((side, side), side),
    } | {f"prior/{key}": value for key, value in ordinary.items()}


def _references(
    judge: judges.Judge, subject: Subject, shared: Shared, folder: Path
) -> dict[str, Tensor]:
    squares = [read_picture(folder / p.file, p.crop, shared.resolution) for p in subject.pictures]
    texts = [shared.plain(p) for p in shared.prompts]
    return {"pictures": judge.subjects(squares), "prompts": judge.prompts(texts)}


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    save_file({key: value.detach().cpu().clone() for key, value in tensors.items()}, path)


def read_report(folder: Path) -> dict[str, Any]:
    """The report of the prepare run whose outputs lie in `folder`."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report
