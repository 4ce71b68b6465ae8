"""Weight files of vision backbones, opened without running anything that is in them.

Google's ViTs (`.npz`), MAE, MoCo v3, Swin and ConvNeXt as their authors published them, and timm's
own files.
"""

import pickle
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from sparse_peft.errors import BackboneError

WRAPPERS = ("model", "state_dict")  # under which published files keep the weights
MOMENTUM = "module.base_encoder."  # MoCo v3's own encoder, beside its slow copy and predictor
PARALLEL = "module."  # of what was trained as a DistributedDataParallel
DECODER = "decoder_"  # MAE's second half, which is thrown away after its pretraining
HEADS = ("head.", "head_dist.", "pre_logits.")  # of the task that it was trained on
PATCHES = (  # of the layer that cuts a picture into patches, in the files that timm reads
    "patch_embed.proj.weight", "visual.conv1.weight", "vision_embed.proj.weight",
    "patchifier.proj.weight",
)  # fmt: skip
BIASES = "relative_position_bias_table"  # of each window of a Swin
MOST_NAMED = 3  # names in an error
DAMAGE = (
    pickle.UnpicklingError, SafetensorError, zipfile.BadZipFile, EOFError, OSError, RuntimeError,
    ValueError, KeyError, TypeError, AttributeError, IndexError,
)  # fmt: skip


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a timm model without a head from a file.

    Raises:
        BackboneError: damaged, more than tensors, not finite, or the weights of another
            architecture.
    """
    with _damage_in_words(model, path):
        if path.suffix == ".npz":
            _load_arrays(model, path)
        else:
            model.load_state_dict(_fitted(model, _read(path), path))
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise BackboneError(f"{path} holds weights that are not finite. Fetch it again.")


def check_shapes(model: nn.Module, path: Path) -> None:
    """Return if a file has the names and shapes of a timm model without a head.

    Args:
        model: may be on the meta device, since of the file no weight is read.

    Raises:
        BackboneError: as in `load_weights`, but for what only the weights would show.
    """
    with _damage_in_words(model, path):
        if path.suffix == ".npz":
            _check_arrays(model, path)
        else:
            _fitted(model, _outlined(path), path)


@contextmanager
def _damage_in_words(model: nn.Module, path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise BackboneError(
            f"{path} is damaged, holds more than tensors, or is of another architecture than "
            f"{_name(model)} ({type(error).__name__}). Fetch it again, or name the architecture "
            "that it is of before the @."
        ) from error


def _load_arrays(model: Any, path: Path) -> None:
    """As Google published its ViTs; timm has the map of names."""
    _check_arrays(model, path)
    model.load_pretrained(str(path))


def _check_arrays(model: Any, path: Path) -> None:
    if not hasattr(model, "load_pretrained"):
        raise BackboneError(f"{path}: only a ViT is read from an .npz, and {_name(model)} is none.")
    shapes = _array_shapes(path)
    blocks = {name.partition("encoderblock_")[2].partition("/")[0] for name in shapes}
    if len(blocks - {""}) != len(model.blocks):
        raise BackboneError(
            f"{path} has {len(blocks - {''})} blocks and {_name(model)} {len(model.blocks)}. Name "
            "the architecture that it is of before the @."
        )
    out, _, *patch = model.patch_embed.proj.weight.shape
    hidden, width = model.blocks[0].mlp.fc1.weight.shape
    for name, shape in shapes.items():
        if name.endswith("embedding/kernel"):
            if shape[:2] != tuple(patch):
                raise _other_shape(model, path, name, shape[:2], patch)
            if shape[-1] != out:
                raise _other_shape(model, path, name, shape, (*shape[:-1], out))
        if name.endswith("/Dense_0/kernel") and shape != (width, hidden):
            raise _other_shape(model, path, name, shape, (width, hidden))


def _array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Of each array of an .npz, from the header before its numbers."""
    from numpy.lib import format as npy

    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                read = (
                    npy.read_array_header_1_0
                    if npy.read_magic(file) == (1, 0)
                    else npy.read_array_header_2_0
                )
                shapes[name.removesuffix(".npy")] = read(file)[0]
    return shapes


def _fitted(model: nn.Module, read: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """What a file holds under the names of a model, all of which it has, and no others."""
    own = sys.modules[type(model).__module__]
    found, known = published(read), model.state_dict()
    _refuse_resizing(found, model, path)
    state: dict[str, Tensor] = own.checkpoint_filter_fn(found, model)
    kept = {n: t.float() for n, t in state.items() if n in known or not n.startswith(HEADS)}
    missing, extra = sorted(known.keys() - kept.keys()), sorted(kept.keys() - known.keys())
    if missing or extra:
        raise BackboneError(
            f"{path} is not of {_name(model)}: {_listed('lacks', missing)}"
            f"{' and ' if missing and extra else ''}{_listed('has besides', extra)}. Name the "
            "architecture that it is of before the @."
        )
    for name, tensor in kept.items():
        if tensor.shape != known[name].shape:
            raise _other_shape(model, path, name, tensor.shape, known[name].shape)
    return kept


def _refuse_resizing(found: Mapping[str, Tensor], model: nn.Module, path: Path) -> None:
    """Refuse what timm would resize to fit: only a table of positions may be.

    Raises:
        BackboneError: names a tensor and both shapes.
    """
    known = model.state_dict()
    patch = known.get(PATCHES[0])
    for name, tensor in found.items():
        own = known.get(name) if name.endswith(BIASES) else None
        if name.endswith(PATCHES):
            own = patch
        if own is None or tensor.shape == own.shape:
            continue
        # timm's first files have it flat.
        if not name.endswith(PATCHES) or tensor.ndim >= own.ndim or tensor.numel() != own.numel():
            raise _other_shape(model, path, name, tuple(tensor.shape), tuple(own.shape))


def _other_shape(
    model: nn.Module, path: Path, name: str, found: Sequence[int], own: Sequence[int]
) -> BackboneError:
    return BackboneError(
        f"{path} is not of {_name(model)}: {name} has shape {tuple(found)}, not {tuple(own)}. Name "
        "the architecture that it is of before the @."
    )


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    found = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(found, dict):
        raise ValueError("no table of tensors")
    return dict(found)


def _outlined(path: Path) -> Mapping[str, Any]:
    """As `_read`, on the meta device: names and shapes alone."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            return {
                name: torch.empty(file.get_slice(name).get_shape(), device="meta")
                for name in file.keys()  # noqa: SIM118
            }
    # What torch wrote before it made ZIP files of it cannot be mapped.
    found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    if not isinstance(found, dict):
        raise ValueError("no table of tensors")
    return {name: tensor.to("meta") for name, tensor in published(found).items()}


def published(found: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a published file by the names that its encoder has, other parts left out.

    Source: facebookresearch/mae (`model`), facebookresearch/moco-v3 (`state_dict`, under
        `module.base_encoder.` or, of its linear classifiers, `module.`), microsoft/
        Swin-Transformer and facebookresearch/ConvNeXt (`model`).
    """
    for name in WRAPPERS:
        found = found[name] if isinstance(found.get(name), Mapping) else found
    state = {name: tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}
    for prefix in (MOMENTUM, PARALLEL):
        if any(name.startswith(prefix) for name in state):
            state = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
            break
    if any(name.startswith(DECODER) for name in state):
        # timm would take a file with a mask token for another family's.
        state = {n: t for n, t in state.items() if not n.startswith((DECODER, "mask_token"))}
    return state


def _listed(verb: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"it {verb} {', '.join(names[:MOST_NAMED])}{more}"


def _name(model: Any) -> str:
    return str(model.pretrained_cfg["architecture"])
