"""Sampled gradients on a CPU by kernels of numba, where it is installed.

numba brings its own compiler and is not needed: `requirements-compiled.txt` installs it. A kernel
is compiled when it is first called (some seconds) and kept beside its source for later processes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import util
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from sparse_peft.maths.wavelet_analysis import BLOCK, axis
from sparse_peft.maths.wavelet_filters import synthesis_filters
from sparse_peft.maths.wavelets import Channels

TOKENS = 64  # in a block of the kernels
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


def takes(x: Tensor, dy: Tensor) -> bool:
    """Whether the kernels are there, and made for these operands."""
    return (
        _on
        and all(
            operand.device.type == "cpu"
            and operand.dtype == torch.float32
            and operand.is_contiguous()
            for operand in (x, dy)
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
    return _summed(_kernels().sampled, x, dy, rows, columns)


def sampled_wavelet(
    x: Float32[Tensor, "T in"], dy: Float32[Tensor, "T out"], where: Channels
) -> Float32[Tensor, " p"]:
    """The gradients of wavelet coefficients, for a scaling of 1."""
    assert where.family is not None
    places = where.row_channel, where.column_channel
    filters = _filters(where.family)
    axes = [axis(length, filters.shape[1]) for length in where.shape]
    rows = [BLOCK * along.blocks for along in axes]
    if where.family == "db1":
        kernel = _kernels().sampled_haar
        return _summed(kernel, x, dy, *places, memory=rows).mul_(0.5)  # 1/sqrt(2) twice
    kernel, rows = _kernels().sampled_wavelet, [*rows, max(where.shape)]
    more = [filters, *((along.trim, along.half) for along in axes)]
    return _summed(kernel, x, dy, *places, memory=rows, more=more)


def _summed(
    kernel: Callable[..., None],
    x: Float32[Tensor, "T in"],
    dy: Float32[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
    memory: Sequence[int] = (),
    more: Sequence[Any] = (),
) -> Float32[Tensor, " p"]:
    """Partial sums over segments of tokens, added in their order: the same for any thread count.

    Args:
        memory: rows of the temporaries that a kernel fills for each block of tokens.
        more: arguments of the kernel after these.
    """
    tokens = x.shape[0]
    size = max(SEGMENT, -(-tokens // MOST_SEGMENTS))
    starts = range(0, tokens, size)
    totals = torch.zeros(len(starts), rows.shape[0])
    left, right, sums = dy.detach().numpy(), x.detach().numpy(), totals.numpy()
    # torch has no arithmetic on uint64, so indices are only reinterpreted: they are not negative.
    picked = rows.numpy().view(np.uint64), columns.numpy().view(np.uint64)

    def run(number: int) -> None:
        part = slice(starts[number], starts[number] + size)
        blocks = [torch.empty(rows_of, TOKENS).numpy() for rows_of in memory]
        kernel(right[part], left[part], *picked, sums[number], *blocks, *more)

    threads = min(torch.get_num_threads(), len(starts))
    if threads > 1:
        list(_pool(os.getpid(), torch.get_num_threads()).map(run, range(len(starts))))
    else:
        for number in range(len(starts)):
            run(number)
    return totals.sum(0)


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """Threads of this process: a fork does not inherit them."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sampled-gradients")


@cache
def _filters(family: str) -> Any:
    return np.array(synthesis_filters(family), dtype=np.float32)


@cache
def _kernels() -> Any:
    from sparse_peft.maths import compiled_kernels

    assert compiled_kernels.TOKENS == TOKENS
    assert compiled_kernels.COLUMNS == BLOCK

    return compiled_kernels
