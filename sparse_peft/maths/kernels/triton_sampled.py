"""Sampled gradients on CUDA by kernels of Triton, where it is installed.

Each program takes some coefficients and a share of the tokens, gathers what it multiplies straight
from the operands, and sums in single precision; the shares are added in a fixed order. Nothing
waits for the device, and nothing of the size of the weight is made.
"""

from functools import cache
from importlib import util
from typing import Any

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

COEFFICIENTS = 64  # of one program
TOKENS = 32  # of one round of a program
FEWEST_ROUNDS = 8
MOST_SHARES = 16


@cache
def installed() -> bool:
    """Whether Triton is there."""
    return util.find_spec("triton") is not None


def takes(x: Tensor, dy: Tensor) -> bool:
    """Whether the kernels are there, and made for these operands."""
    types = (torch.float32, torch.bfloat16, torch.float16)
    return x.is_cuda and x.dtype in types and dy.dtype in types and installed()


def sampled(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float32[Tensor, " p"]:
    """The weight gradient at (rows, columns)."""
    return _summed(_kernels().sampled, x, dy, rows, columns)


def sampled_haar(
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
) -> Float32[Tensor, " p"]:
    """The gradients of Haar coefficients at these channels, for a scaling of 1."""
    features = x.shape[1], dy.shape[1]
    sums = _summed(_kernels().sampled_haar, x, dy, rows, columns, *features)
    return sums.mul_(0.5)  # 1/sqrt(2) twice


def _summed(
    kernel: Any,
    x: Float[Tensor, "T in"],
    dy: Float[Tensor, "T out"],
    rows: Int64[Tensor, " p"],
    columns: Int64[Tensor, " p"],
    *features: int,
) -> Float32[Tensor, " p"]:
    tokens, count = x.shape[0], rows.shape[0]
    rounds = FEWEST_ROUNDS
    while rounds * TOKENS * MOST_SHARES < tokens:  # doubled: each number is compiled apart
        rounds *= 2
    shares = max(1, -(-tokens // (rounds * TOKENS)))
    totals = torch.empty(shares, count, device=x.device)
    grid = (-(-count // COEFFICIENTS), shares)
    sizes = (tokens, count, *features)
    strides = (*x.stride(), *dy.stride())
    # Triton launches on the current device, which need not be that of the operands.
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        kernel[grid](x, dy, rows, columns, totals, *sizes, *strides, COEFFICIENTS, TOKENS, rounds)
    return totals.sum(0)


@cache
def _kernels() -> Any:
    from sparse_peft.maths.kernels import triton_kernels

    return triton_kernels
