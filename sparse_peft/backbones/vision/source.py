"""What a vision backbone is made of, and its fingerprint; no torch, no timm.

The same verbs as in `source`, which turns to these for a vision backbone.
"""

import hashlib
from functools import cache
from pathlib import Path

from sparse_peft.backbones.asked import asked
from sparse_peft.backbones.source import Source, file_sha256
from sparse_peft.backbones.vision import registry
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.backbones.vision.names import VisionSource, architecture_of, located
from sparse_peft.errors import BackboneError


def resolve(name: str) -> VisionSource:
    """The vision backbone of that name; what is missing is fetched from the hub.

    Args:
        name: as `names` has them, such as `timm:vit_base_patch16_224@ViT-B_16.npz`.

    Raises:
        BackboneError: nothing of that name, or it cannot be had.
    """
    source = located(name, fetch=True)
    assert source is not None
    return source


def found(name: str) -> VisionSource | None:
    """The vision backbone of that name if all of it is on this machine; nothing is downloaded.

    Raises:
        BackboneError: as in `resolve`, for what is no such backbone.
    """
    return located(name, fetch=False)


def side(name: str) -> int:
    """Pixels of a side of what the backbone of that name sees, wherever its weights are.

    Raises:
        BackboneError: timm knows no such architecture.
    """
    return vision_shapes.outline(architecture_of(name)).side


def shapes(source: Source, targets: str) -> dict[str, tuple[int, ...]]:
    """Shape of every weight that methods may tune: `visual/<module path>` to (out, in).

    Raises:
        BackboneError: it has no such weights.
        SpecError: no such targets.
    """
    assert isinstance(source, VisionSource)
    vision_shapes.pattern(targets)
    chosen = vision_shapes.chosen(vision_shapes.outline(source.architecture).linears, targets)
    if not chosen:
        raise BackboneError(
            f"{source.title} has no layer that {targets!r} names: of a ConvNeXt only the two "
            "Linears of each block can be tuned. Choose 'mlp' or 'attention+mlp'."
        )
    return chosen


def fingerprint(source: Source) -> str:
    """sha256 over the architecture and the weight file's sha256; timm's version if random."""
    assert isinstance(source, VisionSource)
    weights = registry.version() if source.weights is None else file_sha256(source.weights)
    return hashlib.sha256(f"{source.architecture}\n{weights}".encode()).hexdigest()


def check_weights(source: Source) -> None:
    """Return if the file of weights has the names and shapes of the architecture.

    Only its headers are read, in a process of its own.

    Raises:
        BackboneError: it is damaged, or of another architecture.
    """
    assert isinstance(source, VisionSource)
    path = source.weights
    if path is not None and (why := _misfit(source.architecture, path, path.stat().st_mtime_ns)):
        raise BackboneError(why)


@cache
def _misfit(architecture: str, path: Path, _modified: int) -> str:
    why: str = asked("sparse_peft.backbones.vision.fits", architecture, str(path))
    return why
