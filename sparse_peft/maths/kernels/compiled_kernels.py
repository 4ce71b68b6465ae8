"""Kernels that numba compiles when they are first called; imported by `compiled` alone.

Tokens go through in blocks whose temporaries stay in cache. Indices are unsigned: numba then leaves
out the check for negative ones, without which the inner loops would not become vector code.
"""

from typing import Any, no_type_check

import numba
import numpy as np

COLUMNS = 16  # read together when a block is turned over: one cache line
FEW = 8  # tokens in a block that is not turned over
ONE = np.uint64(1)
TWO = np.uint64(2)


def _jit(function: Any) -> Any:
    """Sums in any order, as in a BLAS; the interpreter lock is free meanwhile."""
    return _compiled(function, fastmath=True)


def _exact(function: Any) -> Any:
    """Sums in the order that is written."""
    return _compiled(function, fastmath=False)


def _compiled(function: Any, fastmath: bool) -> Any:
    options: dict[str, Any] = {"nogil": True, "fastmath": fastmath, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep compiled code in: it is compiled in each process
        return numba.njit(**options)(function)


@_jit
@no_type_check
def sampled(x, dy, rows, columns, totals):
    """Add the sums of dy[:, rows[k]] * x[:, columns[k]] to totals[k]."""
    tokens = np.uint64(x.shape[0])
    whole = tokens - tokens % np.uint64(FEW)
    for first in range(np.uint64(0), whole, np.uint64(FEW)):
        for k in range(np.uint64(rows.shape[0])):
            row, column = rows[k], columns[k]
            value = np.float32(0)
            for token in range(np.uint64(FEW)):
                value += dy[first + token, row] * x[first + token, column]
            totals[k] += value
    for token in range(whole, tokens):
        for k in range(np.uint64(rows.shape[0])):
            totals[k] += dy[token, rows[k]] * x[token, columns[k]]


@_jit
@no_type_check
def _turn(x, first, count, turned):
    """The features of a block of tokens as rows; tokens that are not there are zero."""
    features = np.uint64(x.shape[1])
    for start in range(np.uint64(0), features, np.uint64(COLUMNS)):
        stop = min(start + np.uint64(COLUMNS), features)
        if stop - start == np.uint64(COLUMNS):
            for token in range(count):
                for i in range(np.uint64(COLUMNS)):
                    turned[start + i, token] = x[first + token, start + i]
        else:
            for feature in range(start, stop):
                for token in range(count):
                    turned[feature, token] = x[first + token, feature]
        for feature in range(start, stop):
            for token in range(count, np.uint64(turned.shape[1])):
                turned[feature, token] = np.float32(0)


@_jit
@no_type_check
def _analyse_haar(x, first, count, channels):
    """Sums and differences of neighbouring features, without the common factor."""
    features = np.uint64(x.shape[1])
    positions = np.uint64(COLUMNS // 2)
    for block in range((features + np.uint64(COLUMNS - 1)) // np.uint64(COLUMNS)):
        start = block * np.uint64(COLUMNS)
        if start + np.uint64(COLUMNS) <= features:
            for token in range(count):
                for i in range(positions):
                    left = x[first + token, start + TWO * i]
                    right = x[first + token, start + TWO * i + ONE]
                    channels[start + i, token] = left + right
                    channels[start + positions + i, token] = left - right
        else:
            for i in range(positions):
                at = start + TWO * i
                for token in range(count):
                    left, right = np.float32(0), np.float32(0)
                    if at < features:
                        left = x[first + token, at]
                    if at + ONE < features:
                        right = x[first + token, at + ONE]
                    channels[start + i, token] = left + right
                    channels[start + positions + i, token] = left - right
        for i in range(start, start + np.uint64(COLUMNS)):
            for token in range(count, np.uint64(channels.shape[1])):
                channels[i, token] = np.float32(0)


@_jit
@no_type_check
def _analyse(turned, filters, trim, positions, channels):
    """Channels of a block of tokens, numbered as in `wavelets.analysis`."""
    features, taps = turned.shape[0], filters.shape[1]
    tokens = np.uint64(turned.shape[1])
    half = np.uint64(COLUMNS // 2)
    for position in range(positions):
        place = np.uint64(position)
        low = np.uint64(COLUMNS) * (place // half) + place % half
        high = low + half
        for token in range(tokens):
            channels[low, token] = np.float32(0)
            channels[high, token] = np.float32(0)
        start = 2 * position - trim
        for tap in range(max(0, -start), min(taps, features - start)):
            at = np.uint64(start + tap)
            lower, higher = filters[0, tap], filters[1, tap]
            for token in range(tokens):
                value = turned[at, token]
                channels[low, token] += lower * value
                channels[high, token] += higher * value


@_jit
@no_type_check
def _add_inner(left, right, rows, columns, totals):
    tokens = np.uint64(left.shape[1])
    for k in range(np.uint64(rows.shape[0])):
        row, column = rows[k], columns[k]
        value = np.float32(0)
        for token in range(tokens):
            value += left[row, token] * right[column, token]
        totals[k] += value


@_jit
@no_type_check
def sampled_haar(x, dy, rows, columns, totals, left, right):
    """Add twice the gradients of Haar coefficients to totals; left and right hold channels."""
    tokens, block = np.uint64(x.shape[0]), np.uint64(left.shape[1])
    for first in range(np.uint64(0), tokens, block):
        count = min(block, tokens - first)
        _analyse_haar(dy, first, count, left)
        _analyse_haar(x, first, count, right)
        _add_inner(left, right, rows, columns, totals)


@_jit
@no_type_check
def sampled_wavelet(
    x, dy, rows, columns, totals, left, right, turned, filters, row_axis, column_axis
):
    """Add the gradients of coefficients to totals; an axis is (trim, positions).

    The others of the same length are memory: left and right for channels, turned for features.
    """
    tokens, block = np.uint64(x.shape[0]), np.uint64(left.shape[1])
    for first in range(np.uint64(0), tokens, block):
        count = min(block, tokens - first)
        _turn(dy, first, count, turned)
        _analyse(turned[: dy.shape[1]], filters, row_axis[0], row_axis[1], left)
        _turn(x, first, count, turned)
        _analyse(turned[: x.shape[1]], filters, column_axis[0], column_axis[1], right)
        _add_inner(left, right, rows, columns, totals)


@_exact
@no_type_check
def write_update(weight, originals, touched, entry, coefficient, factor, values, scaling, sums):
    """Put originals plus the update into the touched entries of a flat weight; sums is memory."""
    sums[:] = np.float32(0)
    for m in range(np.uint64(entry.shape[0])):
        sums[entry[m]] += values[coefficient[m]] * factor[m]
    for u in range(np.uint64(touched.shape[0])):
        weight[touched[u]] = originals[u] + sums[u] * scaling
