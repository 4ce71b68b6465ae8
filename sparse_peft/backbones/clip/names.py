"""A CLIP by its name: where its weights are, on this machine or after fetching; no torch."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.backbones.clip import registry
from sparse_peft.backbones.clip.registry import CONFIG_NAME, PARTS, RANDOM
from sparse_peft.backbones.clip.weight_file import check_start
from sparse_peft.backbones.source import BUILTIN, BUILTIN_TITLE, HUB_ID, Kind, Source, path_of
from sparse_peft.errors import BackboneError, SpecError

HUB = "hf-hub:"
NAMES = (
    "Use builtin, a folder in open_clip's layout, ARCHITECTURE/PRETRAINED such as ViT-B-16/openai, "
    "ARCHITECTURE@FILE for a checkpoint, or hf-hub:owner/name."
)
# The names under which OpenAI published its models, by open_clip's names of the architectures.
OPENAI = {
    "RN50": "RN50", "RN101": "RN101", "RN50x4": "RN50x4", "RN50x16": "RN50x16",
    "RN50x64": "RN50x64", "ViT-B/32": "ViT-B-32", "ViT-B/16": "ViT-B-16", "ViT-L/14": "ViT-L-14",
    "ViT-L/14@336px": "ViT-L-14-336",
}  # fmt: skip
# Best first, as open_clip itself chooses among the weights in a folder.
WEIGHT_NAMES = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth", "model.safetensors",
    "pytorch_model.bin", "pytorch_model.pth", "model.pth",
)  # fmt: skip
ENDINGS = (".safetensors", ".bin", ".pth")
USUAL_SIDE = 224  # pixels, where an architecture does not say


@dataclass(frozen=True)
class ClipSource(Source):
    """A CLIP's weights on this machine."""

    kind: Kind = "clip"
    architecture: str = ""
    """open_clip's name of it; empty where the folder says what it is"""
    tag: str = ""
    """of published weights, or "random"; empty for a file or a folder"""
    weights: Path | None = None
    """None for random weights"""

    @property
    def config(self) -> Mapping[str, Any]:
        """What the architecture is made of, as open_clip writes it."""
        if not self.architecture:
            config: dict[str, Any] = tables.read_json(self.folder / CONFIG_NAME)["model_cfg"]
            return config
        known = registry.architecture(self.architecture)
        assert known is not None
        return known

    @property
    def published(self) -> Mapping[str, Any]:
        """What open_clip says of published weights; nothing where they are not."""
        if not self.tag or self.tag == RANDOM:
            return {}
        return registry.published(self.architecture, self.tag) or {}

    @property
    def side(self) -> int:
        """Pixels of a side of the square that it sees."""
        return side_in(self.config)

    @property
    def quick_gelu(self) -> bool:
        """Whether the weights were trained with OpenAI's cheap activation.

        The architecture says so, or what is known of published weights. A TorchScript archive is a
        file as OpenAI published it.
        """
        says_so = self.config.get("quick_gelu") or self.published.get("quick_gelu")
        return bool(says_so or (self.weights and is_torchscript(self.weights)))


def side_in(config: Mapping[str, Any]) -> int:
    """Pixels of a side of the square that an architecture sees."""
    size = config["vision_cfg"].get("image_size", USUAL_SIDE)
    return int(size if isinstance(size, int) else size[0])


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which is how OpenAI published its weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def located(name: str, *, fetch: bool) -> ClipSource | None:
    """The CLIP of that name; None where it is not on this machine and is not to be fetched.

    Raises:
        BackboneError: nothing of that name, or it cannot be had.
    """
    folder = BUILTIN / "classes" / "clip"
    if name == "builtin":
        return ClipSource(name, folder, "builtin", BUILTIN_TITLE, weights=_weights_in(folder))
    path = path_of(name)
    if path is not None and path.is_dir():
        return _in_folder(str(path.resolve()), path.resolve(), path.name)
    if name.startswith(HUB):
        return _in_hub(name, fetch)
    if name in OPENAI:
        return _published(name, OPENAI[name], "openai", fetch)
    architecture, at, file = name.partition("@")
    if at:
        return _in_file(name, architecture.replace("/", "-"), file)
    if path is not None:
        raise BackboneError(
            f"--backbone {name} is a file. Say of which architecture: ViT-B-16@{name}, or "
            f"ViT-B-16-quickgelu@{name} for weights that OpenAI trained."
        )
    architecture, _, tag = name.rpartition("/")
    return _published(name, architecture.replace("/", "-"), tag, fetch)


def _in_folder(identity: str, folder: Path, title: str) -> ClipSource:
    index = folder / CONFIG_NAME
    if not index.is_file():
        raise BackboneError(
            f"{folder} has no {CONFIG_NAME}, so it is no CLIP in open_clip's layout. {NAMES}"
        )
    try:
        config = tables.read_json(index).get("model_cfg")
    except SpecError as error:
        raise BackboneError(f"{error} Fetch it again.") from error
    if not isinstance(config, dict) or not all(part in config for part in PARTS):
        raise BackboneError(f"{index} does not say what its model is made of. Fetch it again.")
    _check_tokenizer(config, index)
    weights = _weights_in(folder)
    if weights is None:
        raise BackboneError(
            f"{folder} holds no weights. Put them there as {WEIGHT_NAMES[0]}, or fetch it again."
        )
    return ClipSource(identity, folder, "clip", title, weights=weights)


def _check_tokenizer(config: Mapping[str, Any], index: Path) -> None:
    """Refuse a configuration that has code run: open_clip hands what is in it to transformers."""
    text = config["text_cfg"]
    asked = text.get("tokenizer_kwargs") if isinstance(text, dict) else None
    if isinstance(asked, dict) and asked.get("trust_remote_code"):
        raise BackboneError(
            f"{index} wants code of others to be run for its tokenizer, which is not done here. "
            f"Choose another CLIP. {NAMES}"
        )


def _weights_in(folder: Path) -> Path | None:
    files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    files.sort(key=lambda path: path.suffix != ".safetensors")
    by_name = {path.name: path for path in files}
    known = [by_name[name] for name in WEIGHT_NAMES if name in by_name]
    return next(iter([*known, *files]), None)


def _in_file(name: str, architecture: str, written: str) -> ClipSource:
    _check_architecture(name, architecture)
    path = path_of(written)
    if path is None or not path.is_file():
        raise BackboneError(f"--backbone {name!r}: there is no file {written}.")
    file = path.resolve()
    title = f"{architecture} ({file.name})"
    check_start(file, title)
    return ClipSource(
        f"{architecture}@{file}", file.parent, "clip", title,
        architecture=architecture, weights=file,
    )  # fmt: skip


def _in_hub(name: str, fetch: bool) -> ClipSource | None:
    repository = name.removeprefix(HUB)
    if not HUB_ID.fullmatch(repository) or "@" in repository:
        raise BackboneError(f"--backbone {name!r} is not an id of the hub. {NAMES}")
    weights = _hub_file(name, repository, registry.default_files(), None, fetch)
    index = _hub_file(name, repository, (CONFIG_NAME,), CONFIG_NAME, fetch)
    if weights is None or index is None:
        return None
    source = _in_folder(name, index.parent, repository.split("/")[1])
    if source.weights is not None and is_torchscript(source.weights):
        raise BackboneError(
            f"--backbone {name!r}: its weights are a program (TorchScript), which is not run here. "
            f"Choose a CLIP with safetensors. {NAMES}"
        )
    return source


def _published(name: str, architecture: str, tag: str, fetch: bool) -> ClipSource | None:
    _check_architecture(name, architecture or tag)
    made = partial(ClipSource, family="clip", architecture=architecture)
    if architecture and tag == RANDOM:
        title = f"{architecture} ({tag})"
        return made(f"{architecture}/{tag}", registry.folder(), title=title, tag=tag)
    entry, tag = _entry(name, architecture, tag), registry.clean(tag)
    repository, files = registry.hub_files(entry)
    own = entry["hf_hub"].rpartition("/")[2] or None
    weights = _hub_file(name, repository, files, own, fetch)
    if weights is None:
        return None
    title = f"{architecture} ({tag})"
    return made(f"{architecture}/{tag}", weights.parent, title=title, tag=tag, weights=weights)


def _entry(name: str, architecture: str, tag: str) -> dict[str, Any]:
    """What open_clip knows of published weights."""
    known = [*registry.tags(architecture or tag), RANDOM]
    if not architecture:
        raise BackboneError(
            f"--backbone {name!r}: say which weights, such as {name}/{known[0]}. "
            f"Known: {', '.join(known)}."
        )
    entry = registry.published(architecture, tag)
    if entry is None:
        guess = tables.nearest(tag, known)
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise BackboneError(
            f"--backbone {name!r}: open_clip knows no weights {tag!r} of {architecture}.{hint} "
            f"Known: {', '.join(known)}."
        )
    return entry


def _check_architecture(name: str, architecture: str) -> None:
    if registry.architecture(architecture) is None:
        guess = tables.nearest(architecture, registry.architectures())
        hint = f" Did you mean {guess}?" if guess else ""
        raise BackboneError(
            f"--backbone {name!r}: no such folder, and open_clip knows no architecture "
            f"{architecture!r}.{hint} {NAMES}"
        )


def _hub_file(
    name: str, repository: str, files: tuple[str, ...], own: str | None, fetch: bool
) -> Path | None:
    """The first of these files that the hub's cache holds, or the one that open_clip fetches."""
    if fetch:
        try:
            return registry.download(repository, own)
        except OSError as error:
            raise BackboneError(
                f"--backbone {name!r} could not be fetched from the hub. Check the name and the "
                "network, or give a checkpoint as ARCHITECTURE@FILE."
            ) from error
    from huggingface_hub import try_to_load_from_cache

    paths = (try_to_load_from_cache(repository, file) for file in files)
    return next((Path(os.fspath(path)) for path in paths if isinstance(path, str)), None)
