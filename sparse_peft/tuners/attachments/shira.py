"""SHiRA of PEFT at work, its places checked before they are used."""

from collections.abc import Mapping, Sequence

import torch
from peft import ShiraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from sparse_peft.tuners.attachments.peft import PeftAttachment
from sparse_peft.tuners.layout import ADAPTER


class ShiraAttachment(PeftAttachment):
    """Values at fixed places of each weight; an `Attachment`."""

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        targets: Sequence[str],
        config: ShiraConfig,
        seed: int,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        checks = torch.sparse.check_sparse_tensor_invariants
        if not checks.is_enabled():  # type: ignore[no-untyped-call]
            # Said aloud, or torch warns; `_put` checks what comes from files.
            checks.disable()  # type: ignore[no-untyped-call]
        super().__init__(components, targets, config, seed, _places, weight_decay=weight_decay)

    def _put(self, component: str, values: dict[str, Tensor]) -> None:
        """As everywhere, once the places are known to be some: PEFT writes to them unseen.

        Raises:
            ValueError: they are not the tensors of this adapter, or not places of its weights.
        """
        for name, index in values.items():
            path, _, tensor = name.rpartition(".")
            layer = self._layers.get(f"{component}/{path}")
            if tensor == "shira_indices" and layer is not None:
                rows, columns = layer.get_base_layer().weight.shape
                if not _are_places(index, rows, columns):
                    raise ValueError(f"{name} of {component} are no places of its weight")
        super()._put(component, values)


def _are_places(index: Tensor, rows: int, columns: int) -> bool:
    if index.dtype != torch.int32 or index.ndim != 2 or len(index) != 2:
        return False
    row, column = index.long()
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    flat = row * columns + column
    return bool(inside.all()) and bool((flat[1:] > flat[:-1]).all())


def _places(layer: BaseTunerLayer) -> int:
    values: Tensor = layer.shira_weight[ADAPTER]
    return values.numel()
