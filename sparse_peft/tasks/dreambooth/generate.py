"""A new prompt drawn by the base and by every method of a comparison, in one worker."""

import torch
from safetensors.torch import load_file

from sparse_peft import tables
from sparse_peft.backbones import judge as judges
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.methods.adapters import open_adapter
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.dreambooth.gallery import Gallery
from sparse_peft.tasks.dreambooth.recipe import GenerateSettings
from sparse_peft.tasks.job import Cancelled, Job


def run(job: Job) -> None:
    """Fill samples/base and samples/<adapter>, then report.json with a row for each picture."""
    settings = tables.build(GenerateSettings, job.settings, "run.json settings")
    device = devices.torch_device(job.device)
    shared = tables.build(
        type(settings.shared),
        tables.table(settings.shared)
        | {"prompts": [settings.prompt], "seeds": list(settings.seeds)},
        "run.json settings",
    )
    job.emit("stage", text="Loading the backbone", done=0, of=1 + len(settings.adapters))
    source = sources.resolve(shared.backbone)
    backbone = diffusion.load(source, device)
    judge = judges.load(shared.judge, device) if shared.judge else None
    accelerator = devices.accelerator(job.device, shared.precision)
    with torch.no_grad(), accelerator.autocast():
        named = {
            "test/0": backbone.embed([shared.drawn(settings.prompt)])[0],
            "class": backbone.embed([shared.class_prompt])[0],
            "negative": backbone.negative(),
        }
    prepared = {f"{name}/{key}": v for name, value in named.items() for key, v in value.items()}
    old = load_file(job.folder / "inputs" / "shared.safetensors")
    if judge and "features/pictures" in old:
        prepared["features/pictures"] = old["features/pictures"]
        prepared["features/prompts"] = judge.prompts([shared.plain(settings.prompt)])
    gallery = Gallery(backbone, judge, shared, prepared, job.folder, job.emit)
    sha256 = sources.fingerprint(source)
    rows = {}
    for done, name in enumerate(("base", *settings.adapters)):
        if job.should_stop():
            raise Cancelled(done)
        job.emit("stage", text=f"Drawing {name}", done=done, of=1 + len(settings.adapters))
        folder = job.folder / "inputs" / name
        opened = None if name == "base" else open_adapter(folder, backbone.components, sha256)
        with accelerator.autocast():
            rows[name] = gallery.samples(0, name, shared.seeds).rows
        if opened is not None:
            opened.remove()
    job.report(
        {"prompt": shared.drawn(settings.prompt), "seeds": list(shared.seeds), "samples": rows}
    )
