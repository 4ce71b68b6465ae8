"""A vision backbone by its name: where its weights are, here or after fetching; no torch, no timm.

timm:NAME.TAG            published weights of timm, their safetensors file from the hub
timm:NAME                the same, of the tag that timm takes
timm:NAME@FILE           a file: Google's .npz, .pth, .pth.tar, .safetensors
timm:NAME/random         random weights from a fixed seed

A tag before `@FILE` says which published settings (normalisation, crop) are the file's.
`hf-hub:timm/...` stays a name of open_clip, whose own models lie there too.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sparse_peft import tables
from sparse_peft.backbones.source import Kind, Source, path_of
from sparse_peft.backbones.vision import registry
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.errors import BackboneError

TIMM = "timm:"
WEIGHTS = "model.safetensors"  # in every repository that timm names
SHOWN = 80  # characters of a name in an error
NAMES = (
    "Use timm:NAME for weights that timm knows, timm:NAME@FILE for a checkpoint, or "
    "timm:NAME/random; NAME is a ViT, Swin or ConvNeXt such as vit_base_patch16_224."
)


@dataclass(frozen=True)
class VisionSource(Source):
    """A vision backbone's weights on this machine."""

    kind: Kind = "vision"
    architecture: str = ""
    """timm's name of it, perhaps with a tag"""
    weights: Path | None = None
    """None for random weights"""

    @property
    def side(self) -> int:
        """Pixels of a side of the square that it sees."""
        return vision_shapes.outline(self.architecture).side


def is_vision(name: str) -> bool:
    """Whether a name is one of a vision backbone."""
    return name.startswith(TIMM)


def located(name: str, *, fetch: bool) -> VisionSource | None:
    """The backbone of that name; None where it is not on this machine and is not to be fetched.

    Raises:
        BackboneError: nothing of that name, or it cannot be had.
    """
    architecture, at, file = name.removeprefix(TIMM).partition("@")
    if at:
        return _in_file(name, architecture, file)
    architecture, _, tag = architecture.partition("/")
    _check(name, architecture)
    if tag == registry.RANDOM:
        title = f"{architecture} ({tag})"
        return VisionSource(name, registry.folder(), "vision", title, architecture=architecture)
    if tag:
        raise BackboneError(f"--backbone {_short(name)}: {_short(tag)} is not known. {NAMES}")
    return _published(name, architecture, fetch)


def architecture_of(name: str) -> str:
    """The architecture, perhaps with a tag, in the name of a backbone.

    Raises:
        BackboneError: timm knows no such one.
    """
    architecture = re.split("[@/]", name.removeprefix(TIMM))[0]
    _check(name, architecture)
    return architecture


def _in_file(name: str, architecture: str, written: str) -> VisionSource:
    _check(name, architecture)
    path = path_of(written)
    if path is None or not path.is_file():
        raise BackboneError(f"--backbone {_short(name)}: there is no file {_short(written)}.")
    file = path.resolve()
    return VisionSource(
        f"{TIMM}{architecture}@{file}", file.parent, "vision", f"{architecture} ({file.name})",
        architecture=architecture, weights=file,
    )  # fmt: skip


def _check(name: str, architecture: str) -> None:
    """Refuse what timm does not know, with the nearest that it does."""
    known = registry.known()
    plain, _, tag = architecture.partition(".")
    if plain not in known:
        guess = tables.nearest(plain[:SHOWN], known)
        hint = f" Did you mean {guess}?" if guess else ""
        raise BackboneError(
            f"--backbone {_short(name)}: no ViT, Swin or ConvNeXt of timm is called "
            f"{_short(plain)}.{hint} {NAMES}"
        )
    # Where none is written in its files, timm makes them itself, and says what it does not know.
    if tag and known[plain] and tag not in known[plain]:
        raise BackboneError(
            f"--backbone {_short(name)}: timm knows no weights {_short(tag)} of {plain}. "
            f"Known: {', '.join(known[plain])}."
        )


def _published(name: str, architecture: str, fetch: bool) -> VisionSource | None:
    repository = vision_shapes.outline(architecture).hub
    if not repository:
        raise BackboneError(
            f"--backbone {_short(name)}: timm has no weights of {architecture} on the hub. {NAMES}"
        )
    path = _hub_file(name, repository, fetch)
    if path is None:
        return None
    return VisionSource(
        name, path.parent, "vision", architecture, architecture=architecture, weights=path
    )


def _hub_file(name: str, repository: str, fetch: bool) -> Path | None:
    """The safetensors file, and nothing else of the repository: no configuration and no code."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    if not fetch:
        found = try_to_load_from_cache(repository, WEIGHTS)
        return Path(found) if isinstance(found, str) else None
    try:
        return Path(hf_hub_download(repository, WEIGHTS))
    except (HfHubHTTPError, OSError) as error:
        raise BackboneError(
            f"--backbone {_short(name)}: {WEIGHTS} of {repository} could not be fetched from the "
            "hub. Check the network, or give a checkpoint as timm:NAME@FILE."
        ) from error


def _short(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
