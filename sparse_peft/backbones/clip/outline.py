"""A process that prints the shapes of a CLIP's weights: `clip.outline NAME TARGETS`.

The model is built without memory for its weights, so it takes no longer than its imports.
"""

import json
import sys
from collections.abc import Sequence

import torch
from torch import nn

from sparse_peft.backbones.clip.attention import take_apart
from sparse_peft.backbones.clip.shapes import Shapes, chosen, is_packed


def outline(name: str, targets: str) -> Shapes:
    """The shapes of what the targets name in a model that `open_clip.create_model` knows."""
    import open_clip

    meta = torch.device("meta")
    with meta:
        model = open_clip.create_model(
            name, device=meta, force_custom_text=True, load_weights=False, pretrained_text=False
        )
        take_apart(model, packed=is_packed(targets))
    linears = {
        f"{tower}/{path}": tuple(module.weight.shape)
        for tower in ("visual", "text")
        for path, module in getattr(model, tower).named_modules()
        if type(module) is nn.Linear
    }
    return chosen(linears, targets)


def main(arguments: Sequence[str]) -> None:
    """Print the shapes as JSON."""
    name, targets = arguments
    print(json.dumps(outline(name, targets)))


if __name__ == "__main__":
    main(sys.argv[1:])
