"""A process that says why a file is not of an architecture of timm: `vision.fits NAME FILE`.

The model is built without memory for its weights, and of the file only names and shapes are read.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from sparse_peft.backbones.vision.weights import check_shapes
from sparse_peft.errors import BackboneError


def misfit(name: str, path: Path) -> str:
    """Why the weights of a file are not of this architecture, in words; empty if they are."""
    import timm

    with torch.device("meta"):
        model = timm.create_model(name, num_classes=0)
    try:
        check_shapes(model, path)
    except BackboneError as error:
        return str(error)
    return ""


def main(arguments: Sequence[str]) -> None:
    """Print the reason as JSON."""
    name, path = arguments
    print(json.dumps(misfit(name, Path(path))))


if __name__ == "__main__":
    main(sys.argv[1:])
