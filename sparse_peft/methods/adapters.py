"""Adapter folders: their card, and opening them on a backbone without trusting them.

adapter.json                                   the card: method, settings, backbone, targets
<component>/adapter_model.safetensors (+ adapter_config.json)      as PEFT writes it, or
<component>/sparse_delta.safetensors           flat indices and differences of each weight, or
<component>/full_weights.safetensors           each weight, whole
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_peft import files, tables
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods import method_named
from sparse_peft.methods.checks import HIGHEST_SEED
from sparse_peft.methods.method import Footprint, Method, Plan, Shapes
from sparse_peft.methods.sizes import MOST_PRUNED
from sparse_peft.tuners.layout import (
    DELTA_NAME,
    FULL_NAME,
    PEFT_NAME,
    PEFT_PREFIX,
)
from sparse_peft.tuners.paths import paths_by_component

if TYPE_CHECKING:
    import torch

CARD_NAME = "adapter.json"
FORMAT = 1
SHOWN_DIGITS = 12  # of a sha256, in messages
LONGEST = 2**53  # steps of a plan, so that shares of them are whole numbers
KINDS = (PEFT_NAME, DELTA_NAME, FULL_NAME)


@dataclass(frozen=True)
class Card:
    """What an adapter is, and what it is for."""

    format: int
    method: str
    settings: dict[str, Any]
    backbone: str
    backbone_sha256: str
    targets: tuple[str, ...]
    plan: Plan


@dataclass(frozen=True)
class Adapter:
    """A card, and the tensors of each component, which are finite numbers of a known type."""

    card: Card
    tensors: "Mapping[str, Mapping[str, torch.Tensor]]"
    kind: str
    """Name of the file they are from: tensors of PEFT, differences at flat indices, or weights."""

    @property
    def sparse(self) -> bool:
        """Whether the tensors are differences at flat indices."""
        return self.kind == DELTA_NAME


def write_card(
    folder: Path,
    method: Method,
    backbone: str,
    backbone_sha256: str,
    targets: Sequence[str],
    plan: Plan,
) -> None:
    """Write the card beside what `Attachment.save` has written."""
    settings = tables.table(method)
    card = Card(FORMAT, method.name, settings, backbone, backbone_sha256, tuple(targets), plan)
    files.write_json(folder / CARD_NAME, tables.table(card))


def read_adapter(folder: Path, backbone_sha256: str) -> Adapter:
    """A saved adapter, checked as far as that goes without its backbone.

    Raises:
        BackboneError: not an adapter, damaged, not finite, or made for another backbone.
    """
    from sparse_peft.tuners.adapter_tensors import checked_tensors

    card = _card(folder)
    if card.backbone_sha256 != backbone_sha256:
        raise BackboneError(
            f"{folder} was made for another backbone: {card.backbone} with sha256 "
            f"{card.backbone_sha256[:SHOWN_DIGITS]}..., not {backbone_sha256[:SHOWN_DIGITS]}...; "
            "open it on the backbone it was made for."
        )
    tensors, kinds = {}, set()
    for component in paths_by_component(card.targets):
        if not re.fullmatch(r"\w+", component):
            raise BackboneError(f"{folder / CARD_NAME}: {component!r} is no name of a component.")
        found = [n for n in KINDS if (folder / component / n).exists()]
        if len(found) != 1:
            raise BackboneError(f"{folder / component}: expected one of {' and '.join(KINDS)}.")
        kinds.add(found[0])
        tensors[component] = checked_tensors(folder / component / found[0])
    if len(kinds) != 1:
        raise BackboneError(f"{folder}: its components are of different kinds, or there are none.")
    return Adapter(card, tensors, kinds.pop())


def _card(folder: Path) -> Card:
    from sparse_peft.tuners.adapter_tensors import check_file

    path = folder / CARD_NAME
    check_file(path)
    try:
        card = tables.build(Card, tables.read_json(path), str(path))
    except SpecError as error:
        raise BackboneError(str(error)) from error
    if card.format != FORMAT:
        raise BackboneError(f"{path} has format {card.format}; this version reads {FORMAT}.")
    if len(set(card.targets)) != len(card.targets):
        raise BackboneError(f"{path} names a target twice.")
    if not 0 <= card.plan.steps <= LONGEST:
        raise BackboneError(f"{path}: its plan calls for a number of steps that none can have.")
    if abs(card.plan.seed) > HIGHEST_SEED:
        raise BackboneError(f"{path}: the seed of its plan has more than 63 bits.")
    return card


class OpenAdapter:
    """An adapter at work on its backbone until it is removed, or made part of it.

    Args:
        end: leaves plain modules behind, with the change in them or without.
    """

    def __init__(self, card: Card, end: Callable[[bool], None]) -> None:
        self.card = card
        self._end: Callable[[bool], None] | None = end

    def remove(self) -> None:
        """Leave the backbone as it was, bit for bit.

        Raises:
            RuntimeError: it was removed or merged before.
        """
        self._finish(keep=False)

    def merge(self) -> None:
        """Leave plain modules whose weights hold the change.

        Raises:
            RuntimeError: it was removed or merged before.
        """
        self._finish(keep=True)

    def _finish(self, *, keep: bool) -> None:
        if self._end is None:
            raise RuntimeError("this adapter was removed or merged before")
        self._end(keep)
        self._end = None


def open_adapter(
    folder: str | Path, components: "Mapping[str, torch.nn.Module]", backbone_sha256: str
) -> OpenAdapter:
    """Put a saved adapter to work on the components of the backbone it was made for.

    Raises:
        BackboneError: as in `read_adapter`, or it does not fit these components.
    """
    from sparse_peft.tuners.adapter_tensors import add_differences, put_weights
    from sparse_peft.tuners.targets import has_weight

    folder = Path(folder)
    adapter = read_adapter(folder, backbone_sha256)
    for target in adapter.card.targets:
        if not has_weight(components, target):
            raise BackboneError(f"{folder}: the backbone has no weight called {target}.")
    if adapter.kind != PEFT_NAME:
        write = add_differences if adapter.sparse else put_weights
        restore = write(components, adapter.card.targets, adapter.tensors, folder)
        return OpenAdapter(adapter.card, lambda keep: None if keep else restore())
    return OpenAdapter(adapter.card, _attach_values(components, adapter, folder))


def _attach_values(
    components: "Mapping[str, torch.nn.Module]", adapter: Adapter, folder: Path
) -> Callable[[bool], None]:
    from sparse_peft.tuners.rest import awake
    from sparse_peft.tuners.targets import shapes_of

    card = adapter.card
    shapes = shapes_of(components, card.targets)
    values = {
        f"values/{component}/{name.removeprefix(PEFT_PREFIX)}": tensor
        for component, tensors in adapter.tensors.items()
        for name, tensor in tensors.items()
    }
    try:
        method = tables.build(method_named(card.method), card.settings, str(folder / CARD_NAME))
        footprint = method.footprint(shapes, card.plan)
    except SpecError as error:
        raise BackboneError(f"{folder}: {error}") from error
    # Before anything of the size that the card claims is made.
    _check_count(folder, footprint, shapes, sum(tensor.numel() for tensor in values.values()))
    before = set(awake(components))
    try:
        attachment = method.attach(components, card.targets, card.plan)
    except ValueError as error:
        raise BackboneError(f"{folder}: its card does not fit this backbone ({error}).") from error
    expected = {name: tensor.shape for name, tensor in attachment.state().items()}
    try:
        if expected.keys() != values.keys():
            raise ValueError("other names")
        attachment.load(values)
    except ValueError as error:
        attachment.remove(keep=False)
        raise BackboneError(
            f"{folder}: names or shapes of its tensors do not fit its card."
        ) from error
    for module in set(awake(components)) - before:
        module.training = False  # it is used, not trained: no dropout
    return attachment.remove


def _check_count(folder: Path, footprint: Footprint, shapes: Shapes, count: int) -> None:
    """Refuse a card whose numbers are not those of its files, as far as chance lets them be known.

    Raises:
        BackboneError: names the folder.
    """
    fits = count == footprint.stored
    if footprint.estimated:
        # Of what is trained, the share that is left may lie in the thinnest weights alone.
        sides = [sum(shape) + 1 for shape in shapes.values()]
        most = MOST_PRUNED * count * sum(sides) // (len(sides) * min(sides))
        fits = count <= footprint.active <= most
    if not fits:
        raise BackboneError(
            f"{folder}: its card calls for {footprint.stored} values, its files hold {count}."
        )
