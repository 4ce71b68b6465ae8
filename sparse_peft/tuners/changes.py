"""What the layers of PEFT make of a weight, less what it was."""

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from sparse_peft.tuners.layout import ADAPTER


def added(layer: BaseTunerLayer) -> Float[Tensor, "out in"]:
    """The update of a layer that adds one, dense."""
    delta: Tensor = layer.get_delta_weight(ADAPTER)
    return delta.to_dense() if delta.is_sparse else delta


def turned(layer: BaseTunerLayer) -> Float[Tensor, "out in"]:
    """The update of OFT, which multiplies its weight by an orthogonal matrix R: W R' - W."""
    rotation: Tensor = layer.get_delta_weight(ADAPTER)
    weight = _weight(layer).float()
    return weight @ (rotation.T - torch.eye(len(rotation)).to(rotation)).float()


def rescaled(layer: BaseTunerLayer) -> Float[Tensor, "out in"]:
    """The update of DoRA, which gives each row of W + D a length of its own."""
    weight = _weight(layer).float()
    moved = weight + added(layer)
    magnitude = layer.lora_magnitude_vector[ADAPTER]
    length: Tensor = magnitude.weight / torch.linalg.norm(moved, dim=1)
    return length[:, None] * moved - weight


def _weight(layer: BaseTunerLayer) -> Tensor:
    weight = layer.get_base_layer().weight
    assert isinstance(weight, Tensor)
    return weight
