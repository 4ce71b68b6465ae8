"""One-level wavelet analysis and synthesis of many tokens at once, as small dense products.

Channels are numbered by blocks, as `axes.Axis` says. So one small matrix turns each window of
features into a block of channels, and a batched product reads its windows right out of token-major
activations: faster on a CPU than transposing them first, whatever the length of the filters.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse_peft.maths.wavelets.axes import BLOCK, POSITIONS, Axis, axis
from sparse_peft.maths.wavelets.filters import synthesis_filters


def channel(band: Int64[Tensor, " p"], position: Int64[Tensor, " p"]) -> Int64[Tensor, " p"]:
    """Numbers of channels in the order of `analysed`."""
    return BLOCK * (position // POSITIONS) + POSITIONS * band + position % POSITIONS


@dataclass(frozen=True)
class _Plan:
    """The small products that analyse one axis."""

    along: Axis
    block: Float[Tensor, "b window"]
    """Of a block whose taps all fall inside the weight."""
    inner: tuple[int, int]
    """First such block, and the one after the last."""
    edges: tuple[tuple[int, int, Tensor], ...]
    """First block, first feature, and the product of the blocks before and after."""


@lru_cache(maxsize=128)
def _plan(length: int, family: str, dtype: torch.dtype, device: torch.device) -> _Plan:
    low_high = torch.tensor(synthesis_filters(family), dtype=torch.float64)
    taps = low_high.shape[1]
    along = axis(length, family)
    block = low_high.new_zeros(BLOCK, BLOCK + taps - 2)
    for number in range(BLOCK):
        band, position = divmod(number, POSITIONS)
        block[number, 2 * position : 2 * position + taps] = low_high[band]
    first = min(-(-along.trim // BLOCK), along.blocks)
    last = (length + along.trim - block.shape[1]) // BLOCK + 1
    last = min(max(last, first), along.blocks)
    edges = []
    for start, stop in ((0, first), (last, along.blocks)):
        # Column c of this product is the feature BLOCK * start - trim + c; some lie outside.
        wide = low_high.new_zeros(BLOCK * (stop - start), BLOCK * (stop - start) + taps - 2)
        for number in range(stop - start):
            at = BLOCK * number
            wide[at : at + BLOCK, at : at + block.shape[1]] = block
        begin = BLOCK * start - along.trim
        cut = wide[:, max(0, -begin) : max(0, length - begin)]
        if start < stop:
            edges.append((start, max(0, begin), cut.to(device, dtype)))
    return _Plan(along, block.to(device, dtype), (first, last), tuple(edges))


def analysed(
    x: Float[Tensor, "T N"], family: str, out: Float[Tensor, "C T"] | None = None
) -> Float[Tensor, "C T"]:
    """The channels of each token's features: the transpose of one-level synthesis.

    Args:
        out: written to, instead of new memory.
    """
    plan = _plan(x.shape[1], family, x.dtype, x.device)
    if out is None:
        out = x.new_empty(plan.along.channels, x.shape[0])
    first, last = plan.inner
    # Under autocast, a product would otherwise round its operands.
    with torch.autocast(x.device.type, enabled=False):
        if first < last:
            start = BLOCK * first - plan.along.trim
            width = plan.block.shape[1]
            windows = x[:, start : start + BLOCK * (last - first - 1) + width]
            windows = windows.unfold(1, width, BLOCK).permute(1, 2, 0)
            blocks = out[BLOCK * first : BLOCK * last].view(last - first, BLOCK, -1)
            torch.bmm(plan.block.expand(last - first, -1, -1), windows, out=blocks)
        for block, feature, product in plan.edges:
            rows = out[BLOCK * block : BLOCK * block + product.shape[0]]
            torch.mm(product, x[:, feature : feature + product.shape[1]].T, out=rows)
    return out


def synthesised(channels: Float[Tensor, "C T"], length: int, family: str) -> Float[Tensor, "T N"]:
    """Features of each token from its channels: the transpose of `analysed`."""
    plan = _plan(length, family, channels.dtype, channels.device)
    blocks, tokens, width = plan.along.blocks, channels.shape[1], plan.block.shape[1]
    with torch.autocast(channels.device.type, enabled=False):
        parts = channels.view(blocks, BLOCK, tokens).transpose(1, 2) @ plan.block
    reach = -(-width // BLOCK)  # how many blocks of features one block of channels overlaps
    result = channels.new_zeros(tokens, blocks + reach - 1, BLOCK)
    for shift in range(reach):
        piece = parts[:, :, BLOCK * shift : BLOCK * (shift + 1)].transpose(0, 1)
        result[:, shift : shift + blocks, : piece.shape[2]] += piece
    start = plan.along.trim
    return result.view(tokens, -1)[:, start : start + length]
