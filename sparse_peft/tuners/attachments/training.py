"""What attachments share: which parameters of a backbone were trained before, and AdamW's state."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn


class TrainedBefore:
    """Remembers which parameters of some modules were trained, to make it so again."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._flags = [(p, p.requires_grad) for module in modules for p in module.parameters()]

    def freeze(self) -> None:
        """Train none of them."""
        for param, _ in self._flags:
            param.requires_grad_(False)

    def again(self) -> None:
        """Train those that were."""
        for param, trained in self._flags:
            param.requires_grad_(trained)


def moments_of(
    optimizer: torch.optim.AdamW | None, params: Sequence[Tensor]
) -> list[dict[str, Tensor]]:
    """What the optimizer remembers of each parameter; nothing before its first step."""
    return [{} if optimizer is None else dict(optimizer.state[param]) for param in params]


def load_moments(
    optimizer: torch.optim.AdamW | None, moments: Mapping[int, Mapping[str, Tensor]]
) -> None:
    """Give the optimizer copies of these moments, by number of the parameter, and no others.

    Raises:
        ValueError: there are moments, and no optimizer.
    """
    if optimizer is not None:
        copies = {
            number: {key: value.clone() for key, value in own.items()}
            for number, own in moments.items()
        }
        optimizer.load_state_dict({**optimizer.state_dict(), "state": copies})
    elif moments:
        raise ValueError("make the optimizer before loading its state")
