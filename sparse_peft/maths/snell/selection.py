"""The threshold of a competition: an order statistic of a large matrix, exact, without sorting it.

On the CPU a strided sample says between which two values the wanted one must lie; one pass counts
what is below them and takes out the few between, among which it is then selected. If the sample
misled, all of them are partitioned. On other devices the digits of the floating-point pattern are
settled one by one, so that nothing waits for the device.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparse_peft.maths.snell.competition import Competition

SAMPLE = 2**16  # magnitudes that are looked at first
DEVIATIONS = 4  # on both sides of the expected place in the sample
FEW = 4  # more than this part of all between the bounds: they take more memory than they save time
CPU_CHUNK = 2**16  # entries that stay in a core's cache
DEVICE_CHUNK = 2**22  # a histogram counts in fp32, exact up to 2^24
DIGIT_BITS = 8

Magnitudes = np.ndarray[tuple[int], np.dtype[np.floating]]


def threshold_of(matrix: Float[Tensor, "out in"], competition: Competition) -> Float[Tensor, ""]:
    """The magnitude that an entry must exceed to survive.

    That is the ceil(s n)-th smallest in the paper, and the quantile s, interpolated between two
    neighbours, in the code. Any number of entries will do; `torch.quantile` stops at 2^24.
    """
    entries = matrix.numel()
    if competition.form == "paper":
        return magnitudes_at(matrix, competition.zeroed(entries) - 1)[0]
    place = competition.sparsity * (entries - 1)
    low, high = magnitudes_at(matrix, math.floor(place))
    return torch.lerp(low, high, place - math.floor(place))


def magnitudes_at(
    matrix: Float[Tensor, "out in"], rank: int
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The magnitude with `rank` smaller ones before it, and the one after it.

    The largest is its own successor. What is not a number counts as larger than all numbers.

    Args:
        rank: counted from 0, below the number of entries.
    """
    if not 0 <= rank < matrix.numel():
        raise ValueError(f"rank {rank} of {matrix.numel()} magnitudes")
    flat = matrix.detach().reshape(-1)
    if flat.device.type != "cpu":
        return by_digits(flat, rank)
    values, found = flat.numpy(), None
    if values.size > SAMPLE:
        found = _in_bracket(values, rank, *_bracket(values, matrix.shape[1], rank))
    if found is None:
        found = _partitioned(np.abs(values), rank)
    return flat.new_tensor(found[0]), flat.new_tensor(found[1])


def _bracket(values: Magnitudes, width: int, rank: int) -> tuple[float, float]:
    """Two magnitudes between which the wanted one nearly always lies."""
    size = values.size
    stride = size // SAMPLE
    while math.gcd(stride, width) > 1:  # or the sample would know some columns only
        stride += 1
    sample = np.abs(values[::stride])
    share = (rank + 0.5) / size
    margin = DEVIATIONS * math.sqrt(sample.size * share * (1 - share)) + 1
    low = math.floor(share * sample.size - margin)
    high = math.ceil(share * sample.size + margin)
    inside = [place for place in (low, high) if 0 <= place < sample.size]
    if inside:
        sample.partition(inside)
    return (
        float(sample[low]) if low >= 0 else -math.inf,
        float(sample[high]) if high < sample.size else math.inf,
    )


def _in_bracket(
    values: Magnitudes, rank: int, low: float, high: float
) -> tuple[float, float] | None:
    """The wanted magnitudes, if both lie from `low` to `high` and not much else does."""
    room = np.empty(min(CPU_CHUNK, values.size), values.dtype)
    below, inside, between = 0, 0, list[Magnitudes]()
    for start in range(0, values.size, CPU_CHUNK):
        part = values[start : start + CPU_CHUNK]
        part = np.abs(part, out=room[: part.size])
        smaller = part < values.dtype.type(low)
        below += int(np.count_nonzero(smaller))
        wanted = part <= values.dtype.type(high)
        wanted ^= smaller
        inside += int(np.count_nonzero(wanted))
        if inside > values.size // FEW:
            return None
        between.append(part[np.flatnonzero(wanted)])
    candidates = np.concatenate(between)
    after = min(rank + 1, values.size - 1)
    if not below <= rank <= after < below + inside:
        return None
    return _partitioned(candidates, rank - below, after - below)


def _partitioned(values: Magnitudes, rank: int, after: int | None = None) -> tuple[float, float]:
    after = min(rank + 1, values.size - 1) if after is None else after
    values.partition((rank, after))
    return float(values[rank]), float(values[after])


def by_digits(
    flat: Float[Tensor, " entries"], rank: int
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The same magnitudes found digit by digit, with no answer taken off the device.

    The bit pattern of a number that is not negative, read as an integer, has the order of the
    number itself.
    """
    pattern = torch.int64 if flat.dtype == torch.float64 else torch.int32
    bits = 8 * flat.element_size()
    prefix = torch.zeros((), dtype=pattern, device=flat.device)
    left = torch.full((), rank, dtype=torch.int64, device=flat.device)
    for shift in range(bits - DIGIT_BITS, -1, -DIGIT_BITS):
        counts = _digit_counts(flat, pattern, prefix, shift)
        upto = counts.cumsum(0)
        digit = (upto <= left).sum()
        left = left - (upto - counts).index_select(0, digit.view(1))[0]
        prefix = (prefix << DIGIT_BITS) + digit.to(pattern)
    found = prefix.view(flat.dtype)
    return found, _next_above(flat, found, rank)


def _digit_counts(flat: Tensor, pattern: torch.dtype, prefix: Tensor, shift: int) -> Tensor:
    """How often each digit at `shift` follows the digits found so far."""
    many = 2**DIGIT_BITS
    counts = torch.zeros(many, dtype=torch.int64, device=flat.device)
    for part in torch.split(flat, DEVICE_CHUNK):
        ahead = part.abs().view(pattern) >> shift
        digits = torch.where(ahead >> DIGIT_BITS == prefix, ahead & (many - 1), many).float()
        # One more bin takes those whose earlier digits are others.
        counts += torch.histc(digits, many + 1, 0, many + 1)[:many].long()
    return counts


def _next_above(flat: Tensor, found: Tensor, rank: int) -> Tensor:
    """The magnitude of rank `rank + 1`, given that of `rank`."""
    # Patterns again, among which those of no number come last.
    pattern = torch.int64 if flat.dtype == torch.float64 else torch.int32
    last, place = torch.iinfo(pattern).max, found.view(pattern)
    upto = torch.zeros((), dtype=torch.int64, device=flat.device)
    above = torch.full((), last, dtype=pattern, device=flat.device)
    for part in torch.split(flat, DEVICE_CHUNK):
        sizes = part.abs().view(pattern)
        upto += (sizes <= place).sum()
        above = torch.minimum(above, torch.where(sizes > place, sizes, last).amin())
    return torch.where(upto > min(rank + 1, flat.numel() - 1), place, above).view(flat.dtype)
