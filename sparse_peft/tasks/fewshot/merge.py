"""An adapter that becomes an ordinary checkpoint, with a script that classifies by it.

Of open_clip where the backbone is a CLIP, and of timm, head and all, where it is a vision backbone.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.clip.model import Clip
from sparse_peft.backbones.vision.model import Vision
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.errors import SpecError
from sparse_peft.files import write_json, write_text
from sparse_peft.methods.adapters import open_adapter
from sparse_peft.tasks.fewshot.classifier import Card, check_backbone, read_classifier
from sparse_peft.tasks.fewshot.head import read_head
from sparse_peft.tasks.fewshot.models import load
from sparse_peft.tasks.fewshot.recipe import MERGED, SCRIPT, TASK, MergeSettings
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

TIMM_SCRIPT = """# Which class each picture of a folder shows: python classify_folder.py FOLDER
import json, pathlib, sys
import PIL.Image, PIL.ImageOps, safetensors.torch, timm, torch
here = pathlib.Path(__file__).parent
known = json.loads((here / "classes.json").read_text(encoding="utf-8"))
model = timm.create_model(known["architecture"], num_classes=len(known["classes"])).eval()
model.load_state_dict(safetensors.torch.load_file(here / "model.safetensors"))
preprocess = timm.data.create_transform(**known["preprocessing"])
with torch.no_grad():
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        upright = PIL.ImageOps.exif_transpose(PIL.Image.open(path))
        scores = model(preprocess(upright.convert("RGB"))[None])
        likely, number = scores.softmax(1)[0].max(0)
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
    """Fill a folder with an ordinary checkpoint of an adapter, and the script that uses it.

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
    source = sources.resolve(card.backbone, TASK)
    if card.kind == "head" and source.kind == "clip":
        raise SpecError(
            f"{card.label} has a layer of its own instead of prompts, so no CLIP can hold it. "
            "Merge an adapter, or use its head.safetensors."
        )
    sha256 = sources.fingerprint(source)
    check_backbone(folder, card, sha256)
    model = load(source, torch.device("cpu"), card.targets, card.view)
    if "adapter" in card.kind:
        open_adapter(folder, model.components, sha256).merge()
    begin("Writing the checkpoint", 1)
    merged.mkdir(exist_ok=True)
    if isinstance(model, Clip):
        _write_clip(model, card, merged)
    else:
        _write_timm(model, card, folder, merged)


def _write_clip(clip: Clip, card: Card, merged: Path) -> None:
    save_file(clip.checkpoint(), merged / "open_clip_model.safetensors", {"format": "pt"})
    write_json(merged / "open_clip_config.json", clip.config())
    clip.save_tokenizer(merged)
    write_json(
        merged / "classes.json",
        {"classes": list(card.classes), "prompts": list(card.prompts), "scale": card.scale},
    )
    write_text(merged / SCRIPT, SCRIPT_TEXT)


def _write_timm(model: Vision, card: Card, folder: Path, merged: Path) -> None:
    source = model.source
    assert isinstance(source, VisionSource)
    head = read_head(folder, model.width, len(card.classes), model.device)
    head.lend_token(model.cls_token)  # for good: this is its last use
    state = model.checkpoint(head.weight, head.bias)
    save_file(state, merged / "model.safetensors", {"format": "pt"})
    told = {"architecture": source.architecture, "classes": list(card.classes)}
    write_json(merged / "classes.json", told | {"preprocessing": model.preprocessing()})
    write_text(merged / SCRIPT, TIMM_SCRIPT)
