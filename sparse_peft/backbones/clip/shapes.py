"""Which weights of a CLIP the methods tune, and their shapes without building it; no torch.

Names are those after `attention.take_apart`: `q_proj`, `k_proj`, `v_proj` and `out_proj` in
each block, or `in_proj` and `out_proj` where the targets are packed.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sparse_peft.backbones.asked import asked
from sparse_peft.errors import SpecError

TOWERS = {"visual": "picture", "text": "text"}  # by component

# The ends of module paths: blocks of open_clip and of timm, then those of BERT and its kin.
_BLOCK, _BERT = r"(?:resblocks|blocks)\.\d+\.", r"layer\.\d+\."
_QKV = rf"{_BLOCK}attn\.(?:qkv\.)?[qkv]_proj|{_BERT}attention\.self\.(?:query|key|value)"
_PACKED = rf"{_BLOCK}attn\.(?:in_proj|qkv)|{_BERT}attention\.self\.(?:query|key|value)"
_OUT = rf"{_BLOCK}attn\.(?:out_)?proj|{_BERT}attention\.output\.dense|attnpool\.[qkvc]_proj"
_MLP = rf"{_BLOCK}mlp\.\w+|{_BERT}(?:intermediate|output)\.dense"
TARGETS = {
    "qkv": _QKV,
    "attention": f"{_QKV}|{_OUT}",
    "attention+mlp": f"{_QKV}|{_OUT}|{_MLP}",
    "packed": f"{_PACKED}|{_OUT}|{_MLP}",
}

_WIDTHS = {"visual": 768, "text": 512}  # open_clip's own, where a configuration leaves them out
_RESNET_WIDTH = 64
_LAYERS, _MLP_RATIO = 12, 4.0

Shapes = dict[str, tuple[int, ...]]


def kind(targets: str) -> str:
    """The targets without a tower, such as "qkv".

    Raises:
        SpecError: there are none of that name.
    """
    name, _, tower = targets.partition(":")
    if name not in TARGETS or (tower and tower not in TOWERS) or targets.endswith(":"):
        raise SpecError(
            f"targets is {targets!r}; expected one of {', '.join(TARGETS)}, "
            "each also with :visual or :text after it."
        )
    return name


def towers(targets: str) -> tuple[str, ...]:
    """The components that the targets are in."""
    kind(targets)
    tower = targets.partition(":")[2]
    return (tower,) if tower else tuple(TOWERS)


def is_packed(targets: str) -> bool:
    """Whether queries, keys and values are one weight."""
    return kind(targets) == "packed"


def chosen(linears: Mapping[str, tuple[int, ...]], targets: str) -> Shapes:
    """Those of the Linears, by `component/path`, that the targets name, in order."""
    pattern = re.compile(rf"(?:{'|'.join(towers(targets))})/(?:.*\.)?(?:{TARGETS[kind(targets)]})")
    return {name: shape for name, shape in sorted(linears.items()) if pattern.fullmatch(name)}


def is_native(config: Mapping[str, Any], wanted: tuple[str, ...]) -> bool:
    """Whether these towers are open_clip's own, not timm's or transformers'."""
    foreign = {
        "visual": config["vision_cfg"].get("timm_model_name"),
        "text": config["text_cfg"].get("hf_model_name"),
    }
    return not any(foreign[tower] for tower in wanted)


def native(config: Mapping[str, Any], targets: str) -> Shapes:
    """The shapes in open_clip's own towers."""
    packed, linears = is_packed(targets), {}
    for tower in towers(targets):
        own = config["vision_cfg" if tower == "visual" else "text_cfg"]
        if isinstance(own.get("layers"), list):
            found = _pool(own, config["embed_dim"])
        else:
            found = _blocks(own, _WIDTHS[tower], packed)
        linears.update({f"{tower}/{path}": shape for path, shape in found})
    return chosen(linears, targets)


def _blocks(
    own: Mapping[str, Any], usual: int, packed: bool
) -> Iterator[tuple[str, tuple[int, int]]]:
    width = own.get("width", usual)
    inner = int(width * own.get("mlp_ratio", _MLP_RATIO))
    for number in range(own.get("layers", _LAYERS)):
        block = f"transformer.resblocks.{number}"
        if packed:
            yield f"{block}.attn.in_proj", (3 * width, width)
        else:
            yield from ((f"{block}.attn.{part}_proj", (width, width)) for part in "qkv")
        yield f"{block}.attn.out_proj", (width, width)
        yield f"{block}.mlp.c_fc", (inner, width)
        yield f"{block}.mlp.c_proj", (width, inner)


def _pool(own: Mapping[str, Any], out: int) -> Iterator[tuple[str, tuple[int, int]]]:
    width = 32 * own.get("width", _RESNET_WIDTH)  # features of the last of a ResNet's stages
    yield from ((f"attnpool.{part}_proj", (width, width)) for part in "qkv")
    yield "attnpool.c_proj", (out, width)


@cache
def built(name: str, targets: str) -> Shapes:
    """The shapes in towers of timm or transformers, which only these know.

    A process of its own builds the model without weights, since importing them takes seconds and
    much memory.

    Args:
        name: for `open_clip.create_model`.

    Raises:
        BackboneError: it could not be built.
    """
    shapes = asked("sparse_peft.backbones.clip.outline", name, targets)
    return {target: tuple(shape) for target, shape in shapes.items()}
