"""What open_clip knows by name: architectures and published weights, asked without importing it.

Importing open_clip loads torch, timm and transformers, which takes seconds and which a page must
not do. Architectures are JSON files; the table of published weights is one module that needs none
of these and is imported from open_clip's folder alone, without the package around it.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sparse_peft import tables

PARTS = ("embed_dim", "vision_cfg", "text_cfg")  # what makes a JSON file an architecture
CONFIG_NAME = "open_clip_config.json"
RANDOM = "random"  # not a tag of open_clip: weights from a fixed seed
_ALONE = "_open_clip_tables"


def folder() -> Path:
    """Where open_clip is installed."""
    spec = importlib.util.find_spec("open_clip")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def version() -> str:
    """open_clip's version."""
    return importlib.metadata.version("open_clip_torch")


@cache
def architecture(name: str) -> dict[str, Any] | None:
    """What an architecture is made of, as open_clip writes it; None where it knows no such one."""
    path = folder() / "model_configs" / f"{name}.json"
    if "/" in name or not os.path.isfile(path):  # Path.is_file raises for a name too long
        return None
    config = tables.read_json(path)
    return config if all(part in config for part in PARTS) else None


def architectures() -> list[str]:
    """The names of all architectures."""
    names = (path.stem for path in (folder() / "model_configs").glob("*.json"))
    return sorted(name for name in names if architecture(name) is not None)


def clean(tag: str) -> str:
    """A tag as open_clip spells it."""
    return tag.lower().replace("-", "_")


def published(name: str, tag: str) -> dict[str, Any] | None:
    """Where an architecture's published weights are, and how their pictures are normalised."""
    found: dict[str, Any] = _tables().get_pretrained_cfg(name, clean(tag))
    return found or None


def tags(name: str) -> list[str]:
    """The published weights of an architecture."""
    found: list[str] = _tables().list_pretrained_tags_by_model(name)
    return found


def hub_files(entry: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The hub's repository of published weights, and the files to look for in it, best first."""
    repository, _, name = entry["hf_hub"].rpartition("/")
    if not name:
        return repository, default_files()
    return repository, (f"{name.rpartition('.')[0]}.safetensors", name)


def default_files() -> tuple[str, ...]:
    """The files in which a repository of the hub keeps its weights, best first."""
    found = _tables()
    return found.HF_SAFE_WEIGHTS_NAME, found.HF_WEIGHTS_NAME


def download(repository: str, name: str | None) -> Path:
    """A file of the hub on this machine, fetched if need be.

    Args:
        name: None for the weights under the name that open_clip gives them.

    Raises:
        FileNotFoundError: it cannot be had.
    """
    return Path(_tables().download_pretrained_from_hf(repository, filename=name))


@cache
def _tables() -> ModuleType:
    package = ModuleType(_ALONE)
    package.__path__ = [str(folder())]
    sys.modules[_ALONE] = package
    return importlib.import_module(f"{_ALONE}.pretrained")
