"""Where a pipeline's files are, what they are made of and their fingerprint; no torch.

The same verbs as in `backbones.source`, which turns to these for a pipeline.
"""

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.backbones.source import (
    BUILTIN,
    BUILTIN_TITLE,
    HUB_ID,
    Shapes,
    Source,
    file_sha256,
    path_of,
)
from sparse_peft.errors import BackboneError, SpecError

FAMILIES = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
}
PARTS = ("text_encoder", "text_encoder_2", "unet", "vae")  # those that have weights
# What a pipeline is loaded from: not the one-file checkpoints and halves that lie beside it.
HUB_FILES = ("*.json", "*.txt", "*.model", *(f"{part}/*.safetensors" for part in PARTS))
HUB_LEFT_OUT = ("*.fp16.*", "*.non_ema.*", "*.bf16.*", "safety_checker/*")
STEMS = ("diffusion_pytorch_model", "model")  # names of files of diffusers and of transformers
# A part's weights, whole or in shards. What lies beside them, such as `model.fp16.safetensors`, is
# not loaded.
WEIGHTS = re.compile(rf"({'|'.join(STEMS)})(-\d+-of-\d+)?\.safetensors")
INDEX = ".safetensors.index.json"  # names the shards
HEADER_LIMIT = 100_000_000  # bytes, as safetensors itself allows

# Which weights of a UNet the methods tune, by the end of their module path.
TARGETS = {
    "attention": r"\.attn\d\.(to_q|to_k|to_v|to_out\.0)$",
    "attention+ff": r"\.(attn\d\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.(0\.proj|2))$",
}


def resolve(name: str) -> Source:
    """The pipeline called `builtin`, in a local diffusers folder, or of a hub id.

    Args:
        name: a hub id is `owner/name` or `owner/name@revision`.

    Raises:
        BackboneError: nothing of that name, not a diffusers folder, or a pipeline of another class.
    """
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


def found(name: str) -> Source | None:
    """The pipeline of that name if all of it is on this machine; nothing is downloaded.

    Raises:
        BackboneError: as in `resolve`, for what is on this machine and no pipeline.
    """
    if name == "builtin" or path_of(name) is not None or not HUB_ID.fullmatch(name):
        return resolve(name)
    folder = _downloaded(name)
    if folder is None or not _complete(folder):
        return None
    return _source(name, folder, name.split("/")[1])


def shapes(source: Source, targets: str) -> Shapes:
    """Shape of every weight that methods may tune: `unet/<module path>` to (out, in).

    Raises:
        BackboneError: it has no such weights, or a file of them is damaged.
    """
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
    """sha256 over the sha256 of the files that the parts are loaded from, in order of names."""
    whole = hashlib.sha256()
    for part in PARTS:
        for path in _weights(source.folder / part):
            whole.update(file_sha256(path).encode())
    return whole.hexdigest()


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
    known = tables.read_json(index)
    return all(
        (folder / part / "config.json").is_file() and _has_weights(folder / part)
        for part in PARTS
        if part in known
    )


def _has_weights(part: Path) -> bool:
    for stem in STEMS:
        index = part / f"{stem}{INDEX}"
        if index.is_file():
            shards = set(tables.read_json(index).get("weight_map", {}).values())
            return bool(shards) and all((part / shard).is_file() for shard in shards)
    return any(path.is_file() for path in _weights(part))


def _weights(part: Path) -> list[Path]:
    """The files that a part is loaded from, in order of their names."""
    return sorted(path for path in part.glob("*.safetensors") if WEIGHTS.fullmatch(path.name))


def _tensor_shapes(part: Path) -> Shapes:
    merged: Shapes = {}
    for path in _weights(part):
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
