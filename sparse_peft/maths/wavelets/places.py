"""Where the trainable coefficients of a weight lie, by the same draw as PEFT's; no torch."""

import hashlib

import numpy as np
from jaxtyping import Int64

from sparse_peft.errors import SpecError

# From here on torch.randperm draws 64 bits for each place (ATen/native/TensorFactories.cpp).
TOO_MANY = (2**32 - 1) // 20


def layer_seed(seed: int, path: str) -> int:
    """A seed of its own for the layer at this path, so that equal shapes differ in their places."""
    digest = hashlib.sha256(f"places/{seed}/{path}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def first_places(size: int, count: int, seed: int) -> Int64[np.ndarray, " p"]:
    """The first `count` numbers of `torch.randperm(size)` on the CPU, without the rest of it.

    torch exchanges entry i with entry i + draw % (size - i), for i from 0 on, and draws from the
    Mersenne twister that NumPy has as well. So what is at place i in the end is known after i
    exchanges; all of them are followed at once, by doubling the steps that are taken back.

    Raises:
        SpecError: there are so many entries that torch draws in another way.
    """
    if size >= TOO_MANY:
        raise SpecError(f"a weight has {size} entries; expected fewer than {TOO_MANY}.")
    count = min(count, size)
    step = np.arange(count)
    low_bits = seed % 2**32  # torch reads no more of a seed
    draws = np.random.RandomState(low_bits).randint(0, 2**32, count, dtype=np.uint32)
    other = step + draws.astype(np.int64) % (size - step)
    # The latest exchange that came before entry i's own and moved something to it.
    source = step.copy()
    moved = (other < count) & (other != step)
    source[other[moved]] = step[moved]
    while not np.array_equal(further := source[source], source):
        source = further
    # An entry that was fetched before holds what was exchanged for it then.
    order = np.argsort(other, kind="stable")
    again = other[order[1:]] == other[order[:-1]]
    found = other.copy()
    found[order[1:][again]] = source[order[:-1][again]]
    return found
