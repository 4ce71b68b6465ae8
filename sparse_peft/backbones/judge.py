"""The judge: a CLIP that turns pictures and prompts into features; it conditions no UNet."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from sparse_peft.backbones.clip.names import ENDINGS
from sparse_peft.backbones.source import BUILTIN
from sparse_peft.errors import BackboneError

CHUNK = 32
HEAD_FILE = "subject_head.safetensors"
INNER_LAYER = 1  # early enough to hold colours and patterns


class Judge:
    """Features of pictures and prompts, float32, unit norm."""

    def __init__(
        self,
        identity: str,
        revision: str,
        model: Any,
        tokenizer: Any,
        device: torch.device,
        head: Float[Tensor, "W D"] | None = None,
    ) -> None:
        self.id, self.revision, self.device = identity, revision, device
        self._model = model.requires_grad_(False).eval().to(device)
        self._tokenizer = tokenizer
        self._head = None if head is None else head.to(device)
        settings = model.visual.preprocess_cfg
        self._side = model.visual.image_size[0]
        self._mean = torch.tensor(settings["mean"]).view(3, 1, 1)
        self._std = torch.tensor(settings["std"]).view(3, 1, 1)

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Float[Tensor, "3 _ _"]]) -> Float[Tensor, "N D"]:
        """Features of pictures in [-1, 1]; square ones lose nothing but resolution."""
        parts = []
        with self._exactly():
            for start in range(0, len(pictures), CHUNK):
                rows = [self._fitted(p) for p in pictures[start : start + CHUNK]]
                batch = torch.stack(rows).to(self.device)
                parts.append(self._model.encode_image(batch, normalize=True))
        return torch.cat(parts).cpu()

    @torch.no_grad()
    def subjects(self, pictures: Sequence[Float[Tensor, "3 _ _"]]) -> Float[Tensor, "N D"]:
        """Features in which pictures of one subject are near each other, whatever the place.

        A judge without a subject head gives its features of pictures: CLIP-I.
        """
        if self._head is None:
            return self.pictures(pictures)
        parts = []
        with self._exactly():
            for start in range(0, len(pictures), CHUNK):
                rows = [self._fitted(p) for p in pictures[start : start + CHUNK]]
                tokens = subject_tokens(self._model.visual, torch.stack(rows).to(self.device))
                parts.append(F.normalize(tokens @ self._head.T, dim=1))
        return torch.cat(parts).cpu()

    @torch.no_grad()
    def prompts(self, prompts: Sequence[str]) -> Float[Tensor, "N D"]:
        """Features of prompts."""
        ids = self._tokenizer(list(prompts)).to(self.device)
        with self._exactly():
            features: Tensor = self._model.encode_text(ids, normalize=True)
        return features.cpu()

    def _exactly(self) -> torch.autocast:
        """Full precision, also inside a run's autocast: a judge must not depend on it."""
        return torch.autocast(self.device.type, enabled=False)

    def _fitted(self, picture: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 s s"]:
        size = (self._side, self._side)
        if picture.shape[1:] != size:
            picture = F.interpolate(picture[None], size, mode="bicubic", antialias=True)[0].clamp(
                -1, 1
            )
        return ((picture + 1) / 2 - self._mean) / self._std


def load(name: str, device: torch.device) -> Judge:
    """The judge called `builtin`, a folder, or any open_clip model as `architecture/pretrained`.

    Raises:
        BackboneError: open_clip does not know it, or its weights cannot be had.
    """
    import open_clip

    folder = BUILTIN / "judge" if name == "builtin" else Path(name)
    try:
        if folder.is_dir():
            model = open_clip.create_model(f"local-dir:{folder}", load_weights=True)
            tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
            return Judge(name, _sha256(folder), model, tokenizer, device, _head(folder))
        architecture, _, weights = name.partition("/")
        model = open_clip.create_model(
            architecture, pretrained=weights or None, require_pretrained=True
        )
        return Judge(name, weights, model, open_clip.get_tokenizer(architecture), device)
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise BackboneError(
            f"the judge {name!r} could not be loaded ({type(error).__name__}: {error}). "
            "Use builtin, a folder in open_clip's layout, or a name such as ViT-B-32/openai."
        ) from error


def _head(folder: Path) -> Tensor | None:
    path = folder / HEAD_FILE
    return load_file(path)["head"].float() if path.is_file() else None


def _sha256(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in ENDINGS):
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: whole)
    return whole.hexdigest()


def subject_tokens(tower: Any, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
    """What a subject head reads: the class token, and the middle of an inner layer's patches."""
    found = tower.forward_intermediates(pictures, indices=[INNER_LAYER], output_fmt="NCHW")
    inner = found["image_intermediates"][0]
    edge = inner.shape[-1] // 4
    middle = inner[:, :, edge:-edge, edge:-edge].mean((2, 3))
    return torch.cat([F.normalize(found["image_features"], dim=1), F.normalize(middle, dim=1)], 1)
