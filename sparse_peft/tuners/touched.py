"""What the touched entries of a weight were before they were touched."""

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from sparse_peft.tuners.entries import put_at, values_at


class Touched:
    """A record of original values, by flat index, of the entries of one weight that may change.

    Entries that come again are sorted out when asked, and whenever there are twice as many new ones
    as sorted ones. Any other `add` is cheap and waits for no device. How often it is not depends on
    the logarithm of the record's size while that grows, and then is once in 2 / density draws.

    Args:
        index: entries that are remembered already, ascending.
        originals: their values; None with None.
    """

    def __init__(
        self,
        weight: Float[Tensor, "*shape"],
        index: Int32[Tensor, " u"] | None = None,
        originals: Float[Tensor, " u"] | None = None,
    ) -> None:
        self._weight = weight
        self._index = [] if index is None else [index]
        self._originals = [] if originals is None else [originals]
        self._pending = 0  # entries behind the first part

    @torch.no_grad()
    def add(self, index: Int[Tensor, " k"]) -> None:
        """Remember what these entries are, unless they are remembered already."""
        index = index.to(self._weight.device, torch.int32, non_blocking=True)
        self._index.append(index)
        self._originals.append(values_at(self._weight, index))
        if len(self._index) > 1:
            self._pending += index.numel()
            if self._pending > 2 * self._index[0].numel():
                self.resolved()

    def resolved(self) -> tuple[Int32[Tensor, " u"], Float[Tensor, " u"]]:
        """The touched entries, ascending, and their original values."""
        if not self._index:
            empty = torch.empty(0, dtype=torch.int32, device=self._weight.device)
            return empty, self._weight.new_empty(0)
        index, order = torch.cat(self._index).sort(stable=True)
        first = torch.ones_like(index, dtype=torch.bool)
        first[1:] = index[1:] != index[:-1]
        originals = torch.cat(self._originals)[order]
        self._index, self._originals = [index[first]], [originals[first]]
        self._pending = 0
        return self._index[0], self._originals[0]

    @torch.no_grad()
    def write(self, values: Float[Tensor, " u"]) -> None:
        """Give the touched entries, in ascending order, these values."""
        index, originals = self.resolved()
        put_at(self._weight, index, values.to(originals))

    @torch.no_grad()
    def restore(self) -> None:
        """Give the touched entries their original values, and forget them."""
        index, originals = self.resolved()
        put_at(self._weight, index, originals)
        self._index, self._originals, self._pending = [], [], 0
