"""A vision backbone of timm without its head: features of pictures with gradients, its export."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from sparse_peft.backbones.clip.attention import published_layout
from sparse_peft.backbones.source import Source
from sparse_peft.backbones.vision.attention import take_apart
from sparse_peft.backbones.vision.names import VisionSource
from sparse_peft.backbones.vision.shapes import COMPONENT
from sparse_peft.backbones.vision.view import View
from sparse_peft.backbones.vision.weights import load_weights
from sparse_peft.errors import BackboneError

RANDOM_SEED = 0  # of `timm:NAME/random`
SETTINGS = ("interpolation", "crop_pct", "crop_mode", "mean", "std")


class Vision:
    """A frozen vision backbone in single precision; it can be tuned, and a head stands on it."""

    scale = 1.0
    """Of cosines, of which it makes none."""

    def __init__(
        self, model: Any, source: VisionSource, device: torch.device, view: View | None
    ) -> None:
        self.id, self.source, self.device = source.id, source, device
        self._model = model.requires_grad_(False).eval().to(device)
        self.width: int = model.head_hidden_size or model.num_features
        _, height, self.side = model.pretrained_cfg["input_size"]
        if height != self.side:
            raise BackboneError(f"{source.title} takes no squares, and only those are made.")
        own = {name: model.pretrained_cfg[name] for name in SETTINGS}
        self._settings = (view or View()).over(own)
        self._mean = torch.tensor(self._settings["mean"], device=device).view(3, 1, 1)
        self._std = torch.tensor(self._settings["std"], device=device).view(3, 1, 1)

    @property
    def components(self) -> dict[str, nn.Module]:
        """The module whose weights may be tuned, by name."""
        return {COMPONENT: self._model}

    @property
    def cls_token(self) -> nn.Parameter | None:
        """The token that gathers what the head reads, in a ViT that has one."""
        token = getattr(self._model, "cls_token", None)
        return token if isinstance(token, nn.Parameter) else None

    def pictures(self, batch: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B D"]:
        """What a head reads of pictures in [-1, 1] of the backbone's side."""
        scaled = ((batch.to(self.device) + 1) / 2 - self._mean) / self._std
        features: Tensor = self._model(scaled)
        return features

    def preprocessing(self) -> dict[str, Any]:
        """What `timm.data.create_transform` needs to show it a picture."""
        return {"input_size": [3, self.side, self.side], **self._settings}

    def frame(self) -> Callable[[Image.Image], Image.Image]:
        """What is done with a picture before it becomes numbers: scaled, then the square."""
        from timm.data.transforms_factory import create_transform

        *geometry, _numbers, _normal = create_transform(**self.preprocessing()).transforms

        def framed(image: Image.Image) -> Image.Image:
            for step in geometry:
                image = step(image)
            return image

        return framed

    def drop_paths(self) -> None:
        """Leave out branches at random from here on, as the rate it was loaded with says."""
        from timm.layers.drop import DropPath

        for module in self._model.modules():
            if isinstance(module, DropPath):
                module.training = True

    def checkpoint(
        self, weight: Float[Tensor, "K D"], bias: Float[Tensor, " K"]
    ) -> dict[str, Tensor]:
        """The weights with this head, as timm's own model of so many classes holds them.

        Raises:
            ValueError: an adapter is attached; remove it first, keeping its change.
        """
        state = published_layout(self._model)
        if any(".base_layer." in name for name in state):
            raise ValueError("an adapter is attached: remove it with keep=True first")
        head = self._model.pretrained_cfg["classifier"]
        state |= {f"{head}.weight": weight, f"{head}.bias": bias}
        return {name: tensor.detach().to("cpu", copy=True).contiguous()
                for name, tensor in state.items()}  # fmt: skip


def load(
    source: Source, device: torch.device, view: View | None = None, drop_path: float = 0.0
) -> Vision:
    """The backbone in single precision on a device, its queries, keys and values apart.

    Args:
        view: what a recipe changes of the backbone's own preprocessing.
        drop_path: the largest share of a block's branches that training leaves out; it grows with
            the depth.

    Raises:
        BackboneError: a file is damaged, or of another architecture.
    """
    import timm

    assert isinstance(source, VisionSource)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        model = timm.create_model(source.architecture, num_classes=0, drop_path_rate=drop_path)
    if source.weights is not None:
        load_weights(model, source.weights)
    take_apart(model)
    return Vision(model, source, device, view)
