"""Memory that a piece of torch code takes, by following every storage that it makes."""

import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes of the storages that operations inside it made and that are still alive.

    What there was before does not count, nor what a library takes and gives back within one
    operation.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        for value in tree_leaves((args, kwargs)):
            self._meet(value, counted=False)
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            self._meet(value, counted=True)
        return result

    def _meet(self, value: object, counted: bool) -> None:
        if not isinstance(value, Tensor):
            return
        storage = value.untyped_storage()
        place = storage._cdata
        if place in self._known:
            return
        self._known.add(place)
        size = storage.nbytes() if counted else 0
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._part, place, size)

    def _part(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.live -= size


def transient_peak(call: Callable[[], object]) -> int:
    """Most bytes that a call has at one time beyond what there was before, NumPy's included."""
    with LiveStorages():
        call()  # the first time, modules are imported and caches filled that stay
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with LiveStorages() as storages:
            call()
        arrays = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    peak: int = storages.peak
    return peak + arrays


def kept_for_backward(layer: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """Bytes that a forward pass leaves behind besides its output, for its backward pass."""
    layer(x)
    with LiveStorages() as storages:
        y = layer(x)
        live: int = storages.live
        return live - y.untyped_storage().nbytes()
