"""A file that CLIP-LoRA saved, read without trusting it, by the names of our backbones.

`{'weights': {'layer_i': {'q_proj': {'w_lora_A': (r, in), 'w_lora_B': (out, r)}, ...}},
'metadata': {'r', 'alpha', 'encoder', 'params', 'position'}}`, where the layers of the text encoder
come first.

Source: Zanella and Ben Ayed 2024, arXiv:2405.18541; MaxZanella/CLIP-LoRA@358f0d7 loralib/utils.py
for the layout of the file, loralib/layers.py:41 for the scaling alpha / sqrt(r).
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sparse_peft.backbones.clip.shapes import Shapes
from sparse_peft.errors import BackboneError

LARGEST = 2**30  # bytes; rank 64 on ViT-L/14 takes 50 MB
MOST_RANK = 4096
NAMES = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "proj": "out_proj"}
ENCODERS = {"both": ("text", "visual"), "text": ("text",), "vision": ("visual",)}
# Files saved before 2024-09-12 leave out the last 3 of the 24 picture layers of ViT-L/14.
EARLY_L14 = (24, 21)

# What reading a damaged file of tensors has been seen to raise.
DAMAGED = (
    OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError,
    pickle.UnpicklingError,
)  # fmt: skip

Factors = tuple[Float[Tensor, "r in"], Float[Tensor, "out r"]]


@dataclass(frozen=True)
class ClipLoraFile:
    """The factors A and B of each weight by its target; the change is alpha / sqrt(rank) B A."""

    rank: int
    alpha: float
    factors: Mapping[str, Factors]


def read(path: Path, shapes: Shapes) -> ClipLoraFile:
    """A published file, checked against the weights that it is for.

    Args:
        shapes: of the backbone's "attention" targets, whose layers the file counts through.

    Raises:
        BackboneError: not such a file, damaged, not finite, or made for another backbone.
    """
    saved = _opened(path)
    rank, alpha = _sizes(path, saved["metadata"])
    blocks = _blocks(path, saved["metadata"], len(saved["weights"]), shapes)
    factors: dict[str, Factors] = {}
    for number, block in enumerate(blocks):
        layer = saved["weights"].get(f"layer_{number}")
        if not isinstance(layer, dict) or not layer or not layer.keys() <= NAMES.keys():
            raise BackboneError(
                f"{path}: layer_{number} holds other names than {', '.join(NAMES)}."
            )
        for name, pair in layer.items():
            target = f"{block}.{NAMES[name]}"
            where = f"{path}: layer_{number} {name}"
            factors[target] = _factors(where, pair, shapes.get(target), rank)
    return ClipLoraFile(rank, alpha, dict(sorted(factors.items())))


def _opened(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        raise BackboneError(f"{path} is missing or not a plain file.")
    if path.stat().st_size > LARGEST:
        raise BackboneError(f"{path} has {path.stat().st_size} bytes; at most {LARGEST} are read.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise BackboneError(f"{path} is damaged, or no file of tensors.") from error
    if not isinstance(saved, dict) or not all(
        isinstance(saved.get(part), dict) for part in ("weights", "metadata")
    ):
        raise BackboneError(f"{path} is no file of CLIP-LoRA: expected its weights and metadata.")
    return saved


def _sizes(path: Path, metadata: Mapping[str, Any]) -> tuple[int, float]:
    rank, alpha = metadata.get("r"), metadata.get("alpha")
    if not isinstance(rank, int) or not 0 < rank <= MOST_RANK:
        raise BackboneError(f"{path}: its rank r is {rank!r}; expected 1 to {MOST_RANK}.")
    if not isinstance(alpha, int | float) or not 0 < alpha < float("inf"):
        raise BackboneError(f"{path}: its alpha is {alpha!r}; expected a number above 0.")
    return rank, float(alpha)


def _blocks(path: Path, metadata: Mapping[str, Any], count: int, shapes: Shapes) -> Sequence[str]:
    """The paths of the attention layers, in the order in which the file counts them."""
    encoder, position = metadata.get("encoder"), metadata.get("position")
    if not isinstance(encoder, str) or encoder not in ENCODERS or position != "all":
        raise BackboneError(
            f"{path} adapts encoder {encoder!r} at position {position!r}; files with encoder both, "
            "text or vision at position all are read."
        )
    depths = {tower: _depth(shapes, tower) for tower in ENCODERS[encoder]}
    full, early = EARLY_L14
    if depths.get("visual") == full and count == sum(depths.values()) - full + early:
        depths["visual"] = early
    if count != sum(depths.values()):
        raise BackboneError(
            f"{path} adapts {count} layers, this backbone has {sum(depths.values())} in encoder "
            f"{encoder!r}; open it on the backbone it was made for."
        )
    return [
        f"{tower}/transformer.resblocks.{number}.attn"
        for tower, depth in depths.items()
        for number in range(depth)
    ]


def _depth(shapes: Shapes, tower: str) -> int:
    start, end = f"{tower}/transformer.resblocks.", ".attn.q_proj"
    return sum(name.startswith(start) and name.endswith(end) for name in shapes)


def _factors(where: str, pair: Any, shape: tuple[int, ...] | None, rank: int) -> Factors:
    names = ("w_lora_A", "w_lora_B")
    if not isinstance(pair, dict) or not all(isinstance(pair.get(n), Tensor) for n in names):
        raise BackboneError(f"{where}: expected the tensors {' and '.join(names)}.")
    a, b = (pair[name].detach() for name in names)
    if shape is None or a.shape != (rank, shape[1]) or b.shape != (shape[0], rank):
        raise BackboneError(
            f"{where}: {tuple(a.shape)} and {tuple(b.shape)} at rank {rank} do not fit a weight of "
            f"{shape}; open it on the backbone it was made for."
        )
    if not (a.is_floating_point() and b.is_floating_point()):
        raise BackboneError(
            f"{where} holds {a.dtype} and {b.dtype}; expected numbers with a point."
        )
    if not (a.isfinite().all() and b.isfinite().all()):
        raise BackboneError(f"{where} holds values that are not finite numbers.")
    return a.float(), b.float()
