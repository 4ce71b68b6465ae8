"""Kernels that Triton compiles when they are first launched; imported by `triton_sampled` alone."""

from typing import no_type_check

import triton
from triton import language as tl


@triton.jit
@no_type_check
def sampled(
    x, dy, rows, columns, totals,
    tokens, count,
    x_token, x_feature, dy_token, dy_feature,
    width: tl.constexpr, depth: tl.constexpr, rounds: tl.constexpr,
):  # fmt: skip
    """One share of the sums of dy[:, rows[k]] * x[:, columns[k]]: `depth` tokens a round."""
    k = tl.program_id(0) * width + tl.arange(0, width)
    known = k < count
    row = tl.load(rows + k, mask=known, other=0)
    column = tl.load(columns + k, mask=known, other=0)
    first = tl.program_id(1) * (depth * rounds)
    total = tl.zeros((width,), tl.float32)
    for number in range(rounds):
        token = (first + number * depth + tl.arange(0, depth)).to(tl.int64)[:, None]
        here = (token < tokens) & known[None, :]
        left = tl.load(dy + token * dy_token + row[None, :] * dy_feature, mask=here, other=0.0)
        right = tl.load(x + token * x_token + column[None, :] * x_feature, mask=here, other=0.0)
        total += tl.sum(left.to(tl.float32) * right.to(tl.float32), 0)
    tl.store(totals + tl.program_id(1) * count + k, total, mask=known)


@triton.jit
@no_type_check
def _haar(operand, token, feature, here, features, by_token, by_feature, sign):
    """Sums or differences of neighbouring features."""
    at = operand + token * by_token + feature[None, :] * by_feature
    first = tl.load(at, mask=here & (feature < features)[None, :], other=0.0)
    second = tl.load(at + by_feature, mask=here & (feature + 1 < features)[None, :], other=0.0)
    return first.to(tl.float32) + sign[None, :] * second.to(tl.float32)


@triton.jit
@no_type_check
def sampled_haar(
    x, dy, rows, columns, totals,
    tokens, count, into, out,
    x_token, x_feature, dy_token, dy_feature,
    width: tl.constexpr, depth: tl.constexpr, rounds: tl.constexpr,
):  # fmt: skip
    """One share of twice the gradients of Haar coefficients, by channel."""
    k = tl.program_id(0) * width + tl.arange(0, width)
    known = k < count
    row = tl.load(rows + k, mask=known, other=0)
    column = tl.load(columns + k, mask=known, other=0)
    # A block of 16 channels holds 8 sums and then 8 differences: wavelets.analysis.channel.
    row_sign = 1.0 - 2.0 * ((row % 16) // 8).to(tl.float32)
    column_sign = 1.0 - 2.0 * ((column % 16) // 8).to(tl.float32)
    row = row // 16 * 16 + row % 8 * 2
    column = column // 16 * 16 + column % 8 * 2
    first = tl.program_id(1) * (depth * rounds)
    total = tl.zeros((width,), tl.float32)
    for number in range(rounds):
        token = (first + number * depth + tl.arange(0, depth)).to(tl.int64)[:, None]
        here = (token < tokens) & known[None, :]
        left = _haar(dy, token, row, here, out, dy_token, dy_feature, row_sign)
        right = _haar(x, token, column, here, into, x_token, x_feature, column_sign)
        total += tl.sum(left * right, 0)
    tl.store(totals + tl.program_id(1) * count + k, total, mask=known)
