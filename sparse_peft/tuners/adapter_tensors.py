"""The tensors of a saved adapter, opened without trusting them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sparse_peft.errors import BackboneError
from sparse_peft.tuners.layout import DELTA_TENSORS, FULL_TENSORS
from sparse_peft.tuners.paths import paths_by_component
from sparse_peft.tuners.targets import weight_of
from sparse_peft.tuners.touched import Touched

LARGEST_TEXT = 2**20  # bytes of a card, or of the header of a tensor file
LARGEST_FILE = 2**33  # bytes; a full-rank LoRA of SDXL's attention in fp32


def check_file(path: Path, largest: int = LARGEST_TEXT) -> None:
    """Refuse what is no plain file of at most `largest` bytes.

    Raises:
        BackboneError: names the file.
    """
    if path.is_symlink() or not path.is_file():
        raise BackboneError(f"{path} is missing or not a plain file; this is not an adapter.")
    if path.stat().st_size > largest:
        raise BackboneError(f"{path} has {path.stat().st_size} bytes; at most {largest} are read.")


def checked_tensors(path: Path, largest_header: int = LARGEST_TEXT) -> dict[str, Tensor]:
    """The tensors of a safetensors file: of a known type, and finite.

    Raises:
        BackboneError: names the file and what is wrong with it.
    """
    check_file(path, LARGEST_FILE)
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > largest_header:
        raise BackboneError(
            f"{path} declares a header of {header} bytes; at most {largest_header}."
        )
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise BackboneError(f"{path} is damaged or no safetensors file ({error}).") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16, torch.int32):
            raise BackboneError(f"{path}: {name} holds {tensor.dtype}, which no adapter does.")
        if not torch.isfinite(tensor).all():
            raise BackboneError(f"{path}: {name} holds values that are not finite numbers.")
    return tensors


def add_differences(
    components: Mapping[str, nn.Module],
    targets: Sequence[str],
    tensors_of: Mapping[str, Mapping[str, Tensor]],
    folder: Path,
) -> Callable[[], None]:
    """Add the saved differences of each component to its weights.

    Returns:
        What takes them out again, bit for bit.

    Raises:
        BackboneError: they do not fit the weights; nothing has changed.
    """
    changes: list[tuple[Touched, Tensor]] = []
    saved = _by_weight(components, targets, tensors_of, folder, DELTA_TENSORS)
    for where, weight, (index, difference) in saved:
        touched = Touched(weight)
        check_sparse(where, index, difference, weight.numel())
        touched.add(index)
        changes.append((touched, changed_entries(where, touched.resolved()[1], difference)))
    for touched, changed in changes:
        touched.write(changed)

    def remove() -> None:
        for touched, _ in changes:
            touched.restore()

    return remove


def changed_entries(where: str, originals: Tensor, difference: Tensor) -> Tensor:
    """Entries of a weight with their differences added, in the weight's type.

    Raises:
        BackboneError: the type is too narrow for one of them.
    """
    exact = originals.to(torch.promote_types(originals.dtype, torch.float32))
    changed = (exact + difference.to(exact)).to(originals.dtype)
    if not torch.isfinite(changed).all():
        raise BackboneError(
            f"{where}: with the differences added, the weight overflows {originals.dtype}. "
            "Open the base in a wider type."
        )
    return changed


def put_weights(
    components: Mapping[str, nn.Module],
    targets: Sequence[str],
    tensors_of: Mapping[str, Mapping[str, Tensor]],
    folder: Path,
) -> Callable[[], None]:
    """Put the saved weights of each component in place of its own.

    Returns:
        What puts its own back, bit for bit.

    Raises:
        BackboneError: they do not fit; nothing has changed.
    """
    changes: list[tuple[nn.Parameter, Tensor]] = []
    for where, weight, (saved,) in _by_weight(
        components, targets, tensors_of, folder, FULL_TENSORS
    ):
        if saved.shape != weight.shape or saved.dtype != weight.dtype:
            raise BackboneError(
                f"{where} is {saved.dtype} of shape {tuple(saved.shape)}; "
                f"expected {weight.dtype} of shape {tuple(weight.shape)}."
            )
        changes.append((weight, saved))
    originals = [weight.detach().to("cpu", copy=True) for weight, _ in changes]
    with torch.no_grad():
        for weight, saved in changes:
            weight.copy_(saved)

    @torch.no_grad()
    def remove() -> None:
        for (weight, _), original in zip(changes, originals, strict=True):
            weight.copy_(original)

    return remove


def _by_weight(
    components: Mapping[str, nn.Module],
    targets: Sequence[str],
    tensors_of: Mapping[str, Mapping[str, Tensor]],
    folder: Path,
    parts: Sequence[str],
) -> Iterator[tuple[str, nn.Parameter, list[Tensor]]]:
    """Where each weight's tensors are saved, the weight, and these tensors in the order of parts.

    Raises:
        BackboneError: a file holds others than these.
    """
    for component, paths in paths_by_component(targets).items():
        tensors = tensors_of[component]
        if tensors.keys() != {f"{path}.{part}" for path in paths for part in parts}:
            raise BackboneError(f"{folder / component} does not hold the targets of its card.")
        for path in paths:
            weight = weight_of(components, f"{component}/{path}")
            found = [tensors[f"{path}.{part}"] for part in parts]
            yield f"{folder / component}: {path}", weight, found


def check_sparse(where: str, index: Tensor, difference: Tensor, size: int) -> None:
    """Refuse what are no differences at ascending places of a weight.

    Raises:
        BackboneError: says where, and what was expected.
    """
    fits = (
        index.dtype == torch.int32
        and difference.dtype == torch.float32
        and index.ndim == 1
        and index.shape == difference.shape
        and bool((index[1:] > index[:-1]).all())
        and bool(((index >= 0) & (index < size)).all())
    )
    if not fits:
        raise BackboneError(
            f"{where}: expected ascending int32 indices below {size} and one float32 for each."
        )
