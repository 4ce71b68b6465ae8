"""What proves that nothing of a weight's size is made: every operation's results are looked at."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class DenseWatch(TorchDispatchMode):
    """Notes each operation that returned memory as large as the smallest of some weights."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()
        storages = [weight.untyped_storage() for weight in weights]
        self._known = {storage.data_ptr() for storage in storages}
        self._least = min(storage.nbytes() for storage in storages)
        self.seen = 0
        self.made: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if type(tensor) is Tensor or type(tensor) is torch.nn.Parameter:
                self.seen += 1
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in self._known and storage.nbytes() >= self._least:
                    self.made.append(str(function))
        return result
