"""What a CLIP is made of, and its fingerprint; no torch, no open_clip.

The same verbs as in `source`, which turns to these for a CLIP.
"""

import hashlib

from sparse_peft.backbones.clip import registry
from sparse_peft.backbones.clip import shapes as clip_shapes
from sparse_peft.backbones.clip.names import OPENAI, ClipSource, located, side_in
from sparse_peft.backbones.source import Source, file_sha256
from sparse_peft.errors import BackboneError


def resolve(name: str) -> ClipSource:
    """The CLIP of that name; what is missing is fetched from the hub.

    Args:
        name: `builtin`; a folder in open_clip's layout; `ARCHITECTURE/PRETRAINED` of open_clip, or
            one of OpenAI's own names; `ARCHITECTURE/random`; `ARCHITECTURE@FILE`; `hf-hub:owner/x`.

    Raises:
        BackboneError: nothing of that name, or it cannot be had.
    """
    source = located(name, fetch=True)
    assert source is not None
    return source


def found(name: str) -> ClipSource | None:
    """The CLIP of that name if all of it is on this machine; nothing is downloaded.

    Raises:
        BackboneError: as in `resolve`, for what is no CLIP.
    """
    return located(name, fetch=False)


def side(name: str) -> int | None:
    """Pixels of a side of what the CLIP of that name sees; None where only its files tell.

    Raises:
        BackboneError: as in `found`.
    """
    source = found(name)
    if source is not None:
        return source.side
    architecture = OPENAI.get(name) or name.rpartition("/")[0].replace("/", "-")
    config = registry.architecture(architecture)
    return None if config is None else side_in(config)


def shapes(source: Source, targets: str) -> dict[str, tuple[int, ...]]:
    """Shape of every weight that methods may tune: `visual/<module path>` to (out, in).

    Raises:
        BackboneError: a tower has no such weights.
        SpecError: no such targets.
    """
    assert isinstance(source, ClipSource)
    refuse_convolutional(source, targets)
    towers = clip_shapes.towers(targets)
    if clip_shapes.is_native(source.config, towers):
        chosen = clip_shapes.native(source.config, targets)
    else:
        chosen = clip_shapes.built(source.architecture or f"local-dir:{source.folder}", targets)
    for tower in towers:
        if not any(name.startswith(f"{tower}/") for name in chosen):
            raise BackboneError(
                f"{source.title}: its {clip_shapes.TOWERS[tower]} encoder has no layer that "
                f"{targets!r} names. Choose 'packed' or 'attention+mlp', or the other encoder "
                "alone, such as 'qkv:text'."
            )
    return chosen


def refuse_convolutional(source: Source, targets: str) -> None:
    """Say why queries, keys and values of all layers cannot be tuned on a ResNet.

    Raises:
        BackboneError: that is what `targets` asks for.
    """
    assert isinstance(source, ClipSource)
    kind, towers = clip_shapes.kind(targets), clip_shapes.towers(targets)
    layers = source.config["vision_cfg"].get("layers")
    if kind == "qkv" and "visual" in towers and isinstance(layers, list):
        raise BackboneError(
            f"{source.title}: its picture encoder is a convolutional network, which has no "
            f"attention but in its pool, so {targets!r} (CLIP-LoRA: queries, keys and values of "
            "every layer) cannot be tuned. Choose 'attention' (its attention pool and the text "
            "encoder's attention) or 'qkv:text', or a vision transformer such as ViT-B-16."
        )


def fingerprint(source: Source) -> str:
    """sha256 over the weight file's sha256 and the activation; of the name for random weights."""
    assert isinstance(source, ClipSource)
    if source.weights is None:
        lines = [source.id, registry.version()]
    else:
        lines = [file_sha256(source.weights), "quick_gelu" if source.quick_gelu else "gelu"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
