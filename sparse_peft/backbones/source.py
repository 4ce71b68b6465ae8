"""Where a backbone's files are, what they are made of and their fingerprint; no torch.

What is said here of pipelines is said of CLIPs in `clip_source` and of vision backbones in
`vision_source`, to which these functions turn.
"""

import hashlib
import json
import os
import re
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sparse_peft import tables
from sparse_peft.errors import BackboneError, SpecError

BUILTIN = Path(__file__).parent / "builtin_weights"
BUILTIN_TITLE = "Built-in"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w.-]+)?")  # ./model and ../model are folders
FAMILIES = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
}
# What a pipeline is loaded from: not the one-file checkpoints and halves that lie beside it.
HUB_FILES = (
    "*.json", "*.txt", "*.model", "unet/*.safetensors", "vae/*.safetensors",
    "text_encoder/*.safetensors", "text_encoder_2/*.safetensors",
)  # fmt: skip
HUB_LEFT_OUT = ("*.fp16.*", "*.non_ema.*", "*.bf16.*", "safety_checker/*")
INDEX = ".safetensors.index.json"  # names the shards of a component's weights
HEADER_LIMIT = 100_000_000  # bytes, as safetensors itself allows

Kind = Literal["diffusion", "clip", "vision"]

# Which weights of a UNet the methods tune, by the end of their module path.
TARGETS = {
    "attention": r"\.attn\d\.(to_q|to_k|to_v|to_out\.0)$",
    "attention+ff": r"\.(attn\d\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.(0\.proj|2))$",
}


@dataclass(frozen=True)
class Source:
    """A backbone's folder on this machine."""

    id: str
    folder: Path
    family: str
    title: str
    kind: Kind = "diffusion"

    @property
    def known_nouns(self) -> tuple[str, ...]:
        """Nouns the backbone was trained on; empty where nobody wrote them down."""
        return tuple(_card(self.folder).get("objects", ()))

    @property
    def known_places(self) -> tuple[str, ...]:
        """Places the backbone was trained on; empty where nobody wrote them down."""
        return tuple(_card(self.folder).get("places", ()))

    @property
    def note(self) -> str | None:
        """What a person should know of its pictures before they choose it."""
        note: str | None = _card(self.folder).get("note")
        return note


def resolve(name: str, task: str = "dreambooth") -> Source:
    """The backbone called `builtin`, a local diffusers folder, or a hub id (`owner/name@revision`).

    Args:
        task: "fewshot" wants a CLIP or a vision backbone instead, by the names of
            `clip_source.resolve` and `vision_source.resolve`.

    Raises:
        BackboneError: nothing of that name, not a diffusers folder, or a pipeline of another class.
    """
    if task == "fewshot":
        from sparse_peft.backbones import clip_source, vision_source  # they build on this module

        return vision_source.resolve(name) if _is_vision(name) else clip_source.resolve(name)
    if name == "builtin":
        return _source("builtin", BUILTIN / "pipeline", BUILTIN_TITLE)
    path = path_of(name)
    if path is not None and path.is_dir():
        return _source(str(path.resolve()), path.resolve(), path.name)
    if path is not None:
        raise BackboneError(
            f"--backbone {name} is a file. Use builtin, a diffusers folder, or a hub id."
        )
    if HUB_ID.fullmatch(name):
        return _source(name, _download(name), name.split("/")[1])
    raise BackboneError(
        f"--backbone {name!r}: no such folder, and not a hub id. "
        "Use builtin, a diffusers folder, or a hub id such as owner/name."
    )


def found(name: str, task: str = "dreambooth") -> Source | None:
    """The backbone of that name if all of it is on this machine; nothing is downloaded.

    Raises:
        BackboneError: as in `resolve`, for what is on this machine and no pipeline.
    """
    if task == "fewshot":
        from sparse_peft.backbones import clip_source, vision_source

        return vision_source.found(name) if _is_vision(name) else clip_source.found(name)
    if name == "builtin" or path_of(name) is not None or not HUB_ID.fullmatch(name):
        return resolve(name)
    folder = _downloaded(name)
    if folder is None or not _complete(folder):
        return None
    return _source(name, folder, name.split("/")[1])


def path_of(written: str) -> Path | None:
    """What a person named, ~ being their home; None where nothing is called so."""
    path = os.path.expanduser(written)
    # Unlike Path.exists it does not raise for a name that is too long for the disk.
    return Path(path) if os.path.exists(path) else None


def shapes(source: Source, targets: str) -> dict[str, tuple[int, ...]]:
    """Shape of every weight that methods may tune: `unet/<module path>` to (out, in)."""
    if source.kind == "clip":
        from sparse_peft.backbones import clip_source

        return clip_source.shapes(source, targets)
    if source.kind == "vision":
        from sparse_peft.backbones import vision_source

        return vision_source.shapes(source, targets)
    pattern = re.compile(TARGETS[targets])
    found = {
        f"unet/{path}": shape
        for key, shape in _tensor_shapes(source.folder / "unet").items()
        if pattern.search(path := key.removesuffix(".weight")) and key.endswith(".weight")
    }
    if not found:
        raise BackboneError(
            f"{source.folder / 'unet'} holds no weight that {targets!r} names. "
            "Use a Stable Diffusion 1.5 or SDXL class backbone in safetensors."
        )
    return dict(sorted(found.items()))


def fingerprint(source: Source) -> str:
    """sha256 over the sha256 of the backbone's weight files, in order of their names."""
    if source.kind == "clip":
        from sparse_peft.backbones import clip_source

        return clip_source.fingerprint(source)
    if source.kind == "vision":
        from sparse_peft.backbones import vision_source

        return vision_source.fingerprint(source)
    whole = hashlib.sha256()
    for path in sorted(source.folder.rglob("*.safetensors")):
        whole.update(file_sha256(path).encode())
    return whole.hexdigest()


def _is_vision(name: str) -> bool:
    from sparse_peft.backbones.vision_names import is_vision

    return is_vision(name)


def file_sha256(path: Path) -> str:
    """sha256 of a file, read once as long as it does not change."""
    return _file_sha256(path, path.stat().st_mtime_ns)


@cache
def _file_sha256(path: Path, _modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source(identity: str, folder: Path, title: str) -> Source:
    index = folder / "model_index.json"
    if not index.is_file():
        raise BackboneError(
            f"{folder} has no model_index.json, so it is not a diffusers folder. "
            "Save the pipeline with save_pretrained, or give its hub id."
        )
    try:
        kind = tables.read_json(index).get("_class_name")
    except SpecError as error:
        raise BackboneError(f"{error} Fetch it again.") from error
    if kind not in FAMILIES:
        raise BackboneError(f"{folder} is a {kind}; these can be tuned: {', '.join(FAMILIES)}.")
    return Source(identity, folder, "builtin" if identity == "builtin" else FAMILIES[kind], title)


def _card(folder: Path) -> dict[str, Any]:
    path = folder.parent / "card.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    repository, _, revision = name.partition("@")
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=list(HUB_FILES),
            ignore_patterns=list(HUB_LEFT_OUT),
        )  # fmt: skip
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise BackboneError(
            f"--backbone {name!r} could not be fetched from the hub ({type(error).__name__}). "
            "Check the name and the network, or give a local diffusers folder."
        ) from error
    return Path(folder)


def _downloaded(name: str) -> Path | None:
    """Where the hub's cache keeps a repository, whole or not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None


def _complete(folder: Path) -> bool:
    """Whether a download has ended: the index names the parts, and each has all its weights."""
    index = folder / "model_index.json"
    if not index.is_file():
        return False
    parts = [part for part in ("unet", "vae", "text_encoder", "text_encoder_2")
             if part in tables.read_json(index)]  # fmt: skip
    return all((folder / part / "config.json").is_file() for part in parts) and all(
        _has_weights(folder / part) for part in parts
    )


def _has_weights(folder: Path) -> bool:
    for index in folder.glob(f"*{INDEX}"):
        shards = set(tables.read_json(index).get("weight_map", {}).values())
        return bool(shards) and all((folder / shard).is_file() for shard in shards)
    return any(path.is_file() for path in folder.glob("*.safetensors"))


def _tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    merged: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        header = _header(path)
        header.pop("__metadata__", None)
        merged |= {key: _shape(value, path) for key, value in header.items()}
    return merged


def _shape(entry: Any, path: Path) -> tuple[int, ...]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or not all(type(side) is int for side in shape):
        raise BackboneError(f"{path} has a damaged header. Fetch it again.")
    return tuple(shape)


def _header(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else HEADER_LIMIT
        if length >= HEADER_LIMIT:
            raise BackboneError(f"{path} is not a safetensors file. Fetch it again.")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise BackboneError(f"{path} has a damaged header. Fetch it again.") from error
    if not isinstance(header, dict):
        raise BackboneError(f"{path} has a damaged header. Fetch it again.")
    return header
