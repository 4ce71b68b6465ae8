"""A process that prints what an architecture of timm is made of: `vision.outline NAME`.

The model is built without memory for its weights, so it takes no longer than its imports.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from sparse_peft.backbones.vision.attention import take_apart
from sparse_peft.backbones.vision.shapes import Outline


def outline(name: str) -> Outline:
    """What `timm.create_model` builds under this name."""
    import timm

    with torch.device("meta"):
        model: Any = timm.create_model(name, num_classes=0)
        take_apart(model)
    linears = {
        path: tuple(module.weight.shape)
        for path, module in model.named_modules()
        if type(module) is nn.Linear
    }
    settings = model.pretrained_cfg
    values = sum(tensor.numel() for tensor in model.state_dict().values())
    return Outline(linears, settings["input_size"][1], settings.get("hf_hub_id") or "", values)


def main(arguments: Sequence[str]) -> None:
    """Print the outline as JSON."""
    (name,) = arguments
    print(json.dumps(asdict(outline(name))))


if __name__ == "__main__":
    main(sys.argv[1:])
