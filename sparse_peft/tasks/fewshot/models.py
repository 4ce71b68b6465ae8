"""The backbone of a few-shot run, a CLIP or a vision backbone, and how it is shown a picture."""

import torch

from sparse_peft.backbones.clip import model as clips
from sparse_peft.backbones.source import Source
from sparse_peft.backbones.vision import model as vision
from sparse_peft.backbones.vision.view import View
from sparse_peft.tasks.fewshot.features import Model
from sparse_peft.tasks.fewshot.pictures import Frame, framing


def load(
    source: Source,
    device: torch.device,
    targets: str,
    view: View | None = None,
    drop_path: float = 0.0,
) -> Model:
    """The backbone in single precision on a device, taken apart as the targets name it.

    Args:
        view, drop_path: as of `vision.load`; a CLIP is shown pictures as its own settings say.

    Raises:
        BackboneError: a file is missing or damaged, or of another architecture.
    """
    if source.kind == "vision":
        return vision.load(source, device, view, drop_path)
    return clips.load(source, device, targets)


def frame_of(model: Model) -> Frame:
    """What makes of a picture the square that the backbone sees."""
    if isinstance(model, vision.Vision):
        return model.frame()
    return framing(model.side, model.config()["preprocess_cfg"])
