"""An adapter that becomes an ordinary open_clip checkpoint, with a script that classifies by it."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from sparse_peft import tables
from sparse_peft.backbones import clip as clips
from sparse_peft.backbones import clip_source
from sparse_peft.errors import SpecError
from sparse_peft.files import write_json, write_text
from sparse_peft.methods.adapters import open_adapter
from sparse_peft.tasks.fewshot.classifier import read_classifier
from sparse_peft.tasks.fewshot.recipe import MERGED, SCRIPT, MergeSettings
from sparse_peft.tasks.job import Cancelled, Job

SCRIPT_TEXT = """# Which class each picture of a folder shows: python classify_folder.py FOLDER
import json, pathlib, sys
import open_clip, PIL.Image, PIL.ImageOps, torch
here = pathlib.Path(__file__).parent
known = json.loads((here / "classes.json").read_text(encoding="utf-8"))
model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{here}")
tokens = open_clip.get_tokenizer(f"local-dir:{here}")(known["prompts"])
with torch.no_grad():
    texts = model.eval().encode_text(tokens, normalize=True)
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        upright = PIL.ImageOps.exif_transpose(PIL.Image.open(path))
        picture = preprocess(upright.convert("RGB"))[None]
        cosines = model.encode_image(picture, normalize=True) @ texts.T
        likely, number = (known["scale"] * cosines).softmax(1)[0].max(0)
        print(f"{path.name}\\t{known['classes'][number]}\\t{likely:.1%}")
"""


def run(job: Job) -> None:
    """Fill merged/ with weights, configuration, classes and a script, then write report.json."""
    settings = tables.build(MergeSettings, job.settings, "run.json settings")

    def begin(text: str, done: int) -> None:
        if done and job.should_stop():
            raise Cancelled(0)
        job.emit("stage", text=text, done=done, of=2)

    merge(job.folder / "inputs" / settings.classifier, job.folder / MERGED, begin)
    job.report({"classifier": settings.classifier, "merged": MERGED, "script": SCRIPT})


def merge(folder: Path, merged: Path, begin: Callable[[str, int], None]) -> None:
    """Fill a folder with an open_clip checkpoint of an adapter, and the script that uses it.

    Args:
        folder: of the classifier.
        merged: made if need be.
        begin: is told what comes next and how much is done.

    Raises:
        BackboneError: the folder is no classifier, or for another backbone.
        SpecError: a linear probe has nothing that a CLIP could hold.
    """
    begin("Loading the backbone", 0)
    card = read_classifier(folder)
    if card.kind == "head":
        raise SpecError(
            f"{card.label} has a layer of its own instead of prompts, so no CLIP can hold it. "
            "Merge an adapter, or use its head.safetensors."
        )
    source = clip_source.resolve(card.backbone)
    clip = clips.load(source, torch.device("cpu"), card.targets)
    if card.kind == "adapter":
        open_adapter(folder, clip.components, clip_source.fingerprint(source)).merge()
    begin("Writing the checkpoint", 1)
    merged.mkdir(exist_ok=True)
    save_file(clip.checkpoint(), merged / "open_clip_model.safetensors", {"format": "pt"})
    write_json(merged / "open_clip_config.json", clip.config())
    clip.save_tokenizer(merged)
    write_json(
        merged / "classes.json",
        {"classes": list(card.classes), "prompts": list(card.prompts), "scale": card.scale},
    )
    write_text(merged / SCRIPT, SCRIPT_TEXT)
