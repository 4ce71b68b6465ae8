"""Adapters on the disk: each file is whole, or what it was before."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from peft import PeftConfig
from peft.utils import CONFIG_NAME
from safetensors.torch import save
from torch import Tensor

from sparse_peft.files import write_bytes
from sparse_peft.tuners.layout import PEFT_NAME, PEFT_PREFIX


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors from any device into a safetensors file, in a folder that is made if need be.

    Raises:
        DiskError: no room, or the disk fails.
    """
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(ready, metadata={"format": "pt"}))


def write_peft_folder(folder: Path, config: PeftConfig, tensors: Mapping[str, Tensor]) -> None:
    """Write the adapter of one component as PEFT reads it.

    Args:
        tensors: by PEFT's names, without its prefix.

    Raises:
        DiskError: no room, or the disk fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as scratch:  # PEFT itself writes in place
        config.save_pretrained(scratch)
        # A note of WaveFT's beside it stays behind: the card tells which weights are meant.
        write_bytes(folder / CONFIG_NAME, (Path(scratch) / CONFIG_NAME).read_bytes())
    write_tensors(folder / PEFT_NAME, {PEFT_PREFIX + name: t for name, t in tensors.items()})
