"""Which weights of a vision backbone the methods tune, and what it is made of; no torch, no timm.

Names are those after fused queries, keys and values were taken apart: `attn.qkv.q_proj` and so on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sparse_peft.backbones.asked import asked
from sparse_peft.errors import SpecError

COMPONENT = "visual"
_QKV, _OUT, _MLP = r"attn\.qkv\.[qkv]_proj", r"attn\.proj", r"mlp\.fc[12]"
TARGETS = {
    "qkv": _QKV,
    "attention": f"{_QKV}|{_OUT}",
    "attention+mlp": f"{_QKV}|{_OUT}|{_MLP}",
    "mlp": _MLP,
}

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Outline:
    """What an architecture of timm is made of."""

    linears: Shapes
    """Its Linears by module path, queries, keys and values apart."""
    side: int
    """Pixels of a side of the square that it sees."""
    hub: str
    """The repository of its published weights; empty where there are none."""
    values: int
    """All numbers of a checkpoint of it, without a head."""


def pattern(targets: str) -> str:
    """What ends the path of a target.

    Raises:
        SpecError: no such targets.
    """
    name, _, tower = targets.partition(":")
    if name not in TARGETS or tower not in ("", COMPONENT) or targets.endswith(":"):
        raise SpecError(
            f"targets is {targets!r}; of a vision backbone expected one of {', '.join(TARGETS)}."
        )
    return TARGETS[name]


def chosen(linears: Mapping[str, tuple[int, ...]], targets: str) -> Shapes:
    """Those of the Linears that the targets name, by `visual/<module path>`, in order.

    Raises:
        SpecError: no such targets.

    Source: Shen et al. 2024 (SNELL), arXiv:2411.01800; ssfgunner/SNELL@e9d5185 model/*_timm.py: in
        each block q, k, v, proj, fc1 and fc2 of a ViT or Swin, fc1 and fc2 of a ConvNeXt; never
        patch embedding, Swin's reductions or a convolution.
    """
    whole = re.compile(rf"(?:.*\.)?blocks\.\d+\.(?:{pattern(targets)})")
    found = {f"{COMPONENT}/{path}": shape for path, shape in linears.items()
             if whole.fullmatch(path)}  # fmt: skip
    return dict(sorted(found.items()))


@cache
def outline(name: str) -> Outline:
    """What is known of an architecture, which timm alone knows.

    A process of its own builds the model without weights, since importing timm takes seconds and
    much memory.

    Raises:
        BackboneError: it could not be built.
    """
    told: dict[str, Any] = asked("sparse_peft.backbones.vision.outline", name)
    linears = {path: tuple(shape) for path, shape in told.pop("linears").items()}
    return Outline(linears, **told)
