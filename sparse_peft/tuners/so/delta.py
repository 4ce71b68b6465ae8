"""What SO changed in a model, as a small file, and such a file at work on the model again.

    so = SO(model.parameters(), lr=1e-3, density_ratio=5e-4, T=10, remember=True)
    ...                                            # train
    save_delta(model, so, "delta.safetensors")

    loaded = load_delta(model, "delta.safetensors")
    loaded.remove()                                # the base again, bit for bit; or
    loaded.merge()                                 # keep the change

For each changed tensor the file holds `NAME.index`, ascending int32 flat indices, and
`NAME.difference`, one float32 for each. Its header says for each tensor which shape it has, and
what the changed entries were before, as a hash.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int32
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sparse_peft.errors import BackboneError
from sparse_peft.files import write_bytes
from sparse_peft.tuners.adapter_tensors import changed_entries, check_sparse, checked_tensors
from sparse_peft.tuners.entries import values_at
from sparse_peft.tuners.layout import DELTA_HASHES, DELTA_TENSORS, HASH_DIGITS
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.pairs import check_kinds
from sparse_peft.tuners.touched import Touched

HEADER = "sparse_peft.delta"  # the key in the file's metadata
LARGEST_HEADER = 2**26  # bytes; a model of 100,000 tensors
HASHED = (torch.float32, torch.bfloat16, torch.float16)  # types in which a base is opened
assert len(HASHED) == DELTA_HASHES


@dataclass(frozen=True)
class Difference:
    """Where one tensor differs from what it was."""

    shape: tuple[int, ...]
    index: Int32[Tensor, " u"]
    difference: Float[Tensor, " u"]
    originals: Float[Tensor, " u"]


def difference_of(weight: Float[Tensor, "*shape"], touched: Touched) -> Difference:
    """The entries of a tensor that are no longer what they were."""
    index, originals = touched.resolved()
    now = values_at(weight.detach(), index)
    moved = now != originals
    exact = torch.promote_types(now.dtype, torch.float32)  # rounded after the subtraction only
    difference = (now.to(exact) - originals.to(exact)).float()
    return Difference(tuple(weight.shape), index[moved], difference[moved], originals[moved])


def write_differences(path: Path, differences: Mapping[str, Difference]) -> None:
    """Write differences by the names of their tensors; the file is whole or absent."""
    tensors = {}
    for name, found in differences.items():
        tensors[f"{name}.index"] = found.index.cpu()
        tensors[f"{name}.difference"] = found.difference.cpu()
    made_for = {
        name: [list(found.shape), *(_hash(found.originals, dtype) for dtype in HASHED)]
        for name, found in differences.items()
    }
    # One key alone: several come in any order, and the same training would write other bytes.
    metadata = {HEADER: json.dumps(made_for, separators=(",", ":"))}
    write_bytes(path, save(tensors, metadata))


def save_delta(model: nn.Module, so: SO, path: str | Path) -> None:
    """Write what `so` has changed in the model: 8 bytes for each entry that changed.

    `load_delta` gives the trained weights back but for rounding: the differences are single
    precision. The base that `remove` gives back is exact.

    Raises:
        TypeError: these are no model and its SO, in this order.
        ValueError: `so` was not made with remember=True, or tunes what is not the model's.
    """
    check_kinds("save_delta", model, so)
    if not so.originals:
        raise ValueError("SO: make it with remember=True; without the originals there is no delta")
    names: dict[Tensor, str] = {p: _plain(name) for name, p in model.named_parameters()}
    if not so.originals.keys() <= names.keys():
        raise ValueError("SO: it tunes parameters that this model does not have")
    found = {names[param]: difference_of(param, own) for param, own in so.originals.items()}
    write_differences(Path(path), {name: one for name, one in found.items() if len(one.index)})


class LoadedDelta:
    """A delta in the weights of a model, until it is removed or made part of them."""

    def __init__(self, changes: Sequence[tuple[Tensor, Touched]]) -> None:
        self._changes = changes
        self._written = [values_at(weight, own.resolved()[0]) for weight, own in changes]
        self._ended = False

    @torch.no_grad()
    def remove(self) -> None:
        """Leave the model as it was, bit for bit.

        Raises:
            RuntimeError: it was removed or merged before, or the changed entries are no longer
                what the delta made them.
        """
        for (weight, own), written in zip(self._changes, self._written, strict=True):
            if not values_at(weight, own.resolved()[0]).equal(written):
                raise RuntimeError(
                    "the weights have changed since this delta was loaded; undo that first "
                    "(remove deltas in the reverse of the order in which they were loaded)"
                )
        changes = self._changes
        self.merge()
        for _, own in changes:
            own.restore()

    def merge(self) -> None:
        """Keep the change: what the entries were is forgotten.

        Raises:
            RuntimeError: it was removed or merged before.
        """
        if self._ended:
            raise RuntimeError("this delta was removed or merged before")
        self._changes, self._written, self._ended = [], [], True


@torch.no_grad()
def load_delta(model: nn.Module, path: str | Path) -> LoadedDelta:
    """Add a saved delta to a model, whose weights are then the trained ones but for rounding.

    A name is a parameter of the model, or a module whose weight is meant.

    Raises:
        BackboneError: the file is damaged or no delta, or the model is not what it was made for;
            nothing has changed.
    """
    path = Path(path)
    tensors, made_for = checked_tensors(path, LARGEST_HEADER), _made_for(path)
    expected = {f"{name}.{part}" for name in made_for for part in DELTA_TENSORS}
    if tensors.keys() != expected:
        raise BackboneError(f"{path}: its tensors are not those that its header names.")
    named = {_plain(name): p for name, p in model.named_parameters(remove_duplicate=False)}
    weights = {name: _weight_named(name, named, path) for name in made_for}
    if len(set(weights.values())) != len(weights):
        raise BackboneError(f"{path}: two of its tensors are one in this model.")
    changes = []
    for name, weight in weights.items():
        index, difference = tensors[f"{name}.index"], tensors[f"{name}.difference"]
        shape, *hashes = made_for[name]
        _check_shape(f"{path}: {name}", shape, weight)
        check_sparse(f"{path}: {name}", index, difference, weight.numel())
        _check_base(f"{path}: {name}", hashes, weight, index.to(weight.device))
        own = Touched(weight)
        own.add(index)
        changed = changed_entries(f"{path}: {name}", own.resolved()[1], difference)
        changes.append((weight, own, changed))
    for _, own, changed in changes:
        own.write(changed)
    return LoadedDelta([(weight, own) for weight, own, _ in changes])


def _made_for(path: Path) -> dict[str, list[Any]]:
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get(HEADER)
    try:
        found = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        found = None
    entry_length = 1 + DELTA_HASHES
    if not isinstance(found, dict) or not all(
        isinstance(entry, list) and len(entry) == entry_length for entry in found.values()
    ):
        raise BackboneError(f"{path} is no delta of SO: its header does not say what it is for.")
    return found


def _plain(name: str) -> str:
    """The name of a parameter without what torch.compile puts into it."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _weight_named(name: str, named: Mapping[str, nn.Parameter], path: Path) -> nn.Parameter:
    for candidate in (name, f"{name}.weight"):
        if candidate in named:
            return named[candidate]
    raise BackboneError(f"{path}: the model has no parameter called {name}.")


def _check_shape(where: str, shape: Any, weight: Tensor) -> None:
    if shape != list(weight.shape):
        raise BackboneError(
            f"{where} is for a weight of shape {shape}; the model's is {list(weight.shape)}."
        )


def _check_base(where: str, hashes: Sequence[Any], weight: Tensor, index: Tensor) -> None:
    dtype = weight.dtype if weight.dtype in HASHED else torch.float32
    if _hash(values_at(weight, index), dtype) != hashes[HASHED.index(dtype)]:
        raise BackboneError(
            f"{where} was made for other weights: the entries it changes are not what they were "
            "there. Load the base that was trained; if another delta is in it, remove that first."
        )


def _hash(values: Tensor, dtype: torch.dtype) -> str:
    """A hash of values in a type; not NumPy's bytes, since it has no bfloat16."""
    raw = values.detach().to("cpu", dtype).contiguous().view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(raw).hexdigest()[:HASH_DIGITS]
