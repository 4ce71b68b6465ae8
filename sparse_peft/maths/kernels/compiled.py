"""Kernels of numba on a CPU, where it is installed: sampled gradients, and writing an update.

numba brings its own compiler and is not needed: `requirements-compiled.txt` installs it. A kernel
is compiled when it is first called (some seconds) and kept beside its source for later processes.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import util
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from sparse_peft.maths.wavelets.axes import BLOCK, axis
from sparse_peft.maths.wavelets.filters import synthesis_filters
from sparse_peft.maths.wavelets.geometry import Channels, Geometry

LANES = 16  # tokens in a block are a multiple, so that its rows begin at cache lines
# Most tokens in a block, measured at 640 x 640 to 10240 x 1280: Haar's channels are cheap enough to
# go through with one cache line each; the longer filters' want longer rows.
HAAR_TOKENS, TOKENS = 16, 64
SEGMENT = 256  # tokens of one partial sum, so that two threads have something to share
MOST_SEGMENTS = 16

_on = True


@cache
def installed() -> bool:
    """Whether numba is there."""
    return util.find_spec("numba") is not None


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Use the kernels, or not, within a block: for measurements and tests."""
    global _on
    before, _on = _on, on
    try:
        yield
    finally:
        _on = before


def takes(*operands: Tensor) -> bool:
    """Whether the kernels are there, and made for these operands."""
    return (
        _on
        and all(
            operand.device.type == "cpu"
            and operand.dtype == torch.float32
            and operand.is_contiguous()
            for operand in operands
        )
        and installed()
    )


def sampled(
    x: Float32[Tensor, "T in"],
    dy: Float32[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float32[Tensor, " p"]:
    """The weight gradient at (rows, columns)."""
    return _summed(_Sum(_kernels().sampled, _unsigned(rows), _unsigned(columns)), x, dy, 1.0)


def sampled_wavelet(
    x: Float32[Tensor, "T in"], dy: Float32[Tensor, "T out"], where: Channels, scaling: float
) -> Float32[Tensor, " p"]:
    """The gradients of wavelet coefficients."""
    plan = _sums.get(where)
    if plan is None:
        plan = _sums[where] = _wavelet_sum(where)
    return _summed(plan, x, dy, scaling)


@dataclass(frozen=True)
class _Sum:
    """A kernel and what it gets beside the operands; numpy's views, for making them takes time."""

    kernel: Callable[..., None]
    rows: Any
    columns: Any
    memory: tuple[int, ...] = ()
    """Rows of the temporaries that the kernel fills for each block of tokens."""
    more: tuple[Any, ...] = ()
    """Arguments after these."""
    factor: float = 1.0
    """What the kernel leaves out."""
    tokens: int = TOKENS
    """Most of a block."""


_sums: WeakKeyDictionary[Channels, _Sum] = WeakKeyDictionary()


def _wavelet_sum(where: Channels) -> _Sum:
    assert where.family is not None
    places = _unsigned(where.row_channel), _unsigned(where.column_channel)
    filters = _filters(where.family)
    axes = [axis(length, where.family) for length in where.shape]
    rows, columns = (along.channels for along in axes)
    if where.family == "db1":
        haar = _kernels().sampled_haar
        factor = 0.5  # 1/sqrt(2) twice
        return _Sum(haar, *places, (rows, columns), factor=factor, tokens=HAAR_TOKENS)
    trims = ((along.trim, along.half) for along in axes)
    memory = rows, columns, max(where.shape)
    return _Sum(_kernels().sampled_wavelet, *places, memory=memory, more=(filters, *trims))


def _unsigned(index: Int64[Tensor, " p"]) -> Any:
    """Only reinterpreted, as torch has no arithmetic on uint64: indices are not negative."""
    return index.numpy().view(np.uint64)


def _summed(
    plan: _Sum, x: Float32[Tensor, "T in"], dy: Float32[Tensor, "T out"], scaling: float
) -> Float32[Tensor, " p"]:
    """Partial sums over segments of tokens, added in their order: the same for any thread count."""
    tokens = x.shape[0]
    size = max(SEGMENT, -(-tokens // MOST_SEGMENTS))
    starts = range(0, tokens, size)
    sums = np.zeros((max(1, len(starts)), plan.rows.shape[0]), dtype=np.float32)
    left, right = dy.detach().numpy(), x.detach().numpy()

    def run(number: int) -> None:
        part = slice(starts[number], starts[number] + size)
        tokens_of = _block(right[part].shape[0], plan.tokens)
        blocks = [_memory(i, rows_of, tokens_of) for i, rows_of in enumerate(plan.memory)]
        operands = right[part], left[part], plan.rows, plan.columns
        plan.kernel(*operands, sums[number], *blocks, *plan.more)

    threads = min(torch.get_num_threads(), len(starts))
    if threads > 1:
        list(_pool(os.getpid(), torch.get_num_threads()).map(run, range(len(starts))))
    else:
        for number in range(len(starts)):
            run(number)
    total = sums[0] if len(sums) == 1 else sums.sum(0)
    total *= np.float32(plan.factor * scaling)
    return torch.from_numpy(total)


def write_update(
    weight: Float32[Tensor, "out in"],
    originals: Float32[Tensor, " u"],
    where: Geometry,
    coefficients: Float32[Tensor, " p"],
    scaling: float,
) -> None:
    """Write the touched entries of a weight, added up in torch's order."""
    views = _updates.get(where)
    if views is None:
        tensors = where.touched, where.entry, where.coefficient, where.weight
        views = _updates[where] = tuple(tensor.numpy() for tensor in tensors)
    flat, values = weight.view(-1).numpy(), coefficients.detach().numpy()
    memory = np.empty(originals.shape[0], dtype=np.float32)
    kernel = _kernels().write_update
    kernel(flat, originals.numpy(), *views, values, np.float32(scaling), memory)


_updates: WeakKeyDictionary[Geometry, tuple[Any, ...]] = WeakKeyDictionary()


def _block(tokens: int, most: int) -> int:
    """Tokens at a time: blocks of about equal size, so that little of the last is empty."""
    blocks = max(1, -(-tokens // most))
    return LANES * max(1, -(-tokens // (blocks * LANES)))


class _Kept(threading.local):
    def __init__(self) -> None:
        self.flat: dict[int, Any] = {}


_kept = _Kept()


def _memory(number: int, rows: int, columns: int) -> Any:
    """Memory of this thread for a kernel's temporaries: fresh pages at each call cost more time.

    It is as large as the largest asked for, some 3 MiB for the layers of SDXL.
    """
    flat = _kept.flat.get(number)
    if flat is None or flat.size < rows * columns:
        flat = _kept.flat[number] = np.empty(rows * columns, dtype=np.float32)
    return flat[: rows * columns].reshape(rows, columns)


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """Threads of this process: a fork does not inherit them."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sampled-gradients")


@cache
def _filters(family: str) -> Any:
    return np.array(synthesis_filters(family), dtype=np.float32)


@cache
def _kernels() -> Any:
    from sparse_peft.maths.kernels import compiled_kernels

    assert compiled_kernels.COLUMNS == BLOCK

    return compiled_kernels
