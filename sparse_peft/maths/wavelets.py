"""One-level wavelet synthesis of a sparse coefficient grid, as the few entries it touches.

The update is scaling * sum_k c_k a_k b_k^T: coefficient k is an outer product of two short filters,
so p coefficients with filters of L taps touch at most L^2 p entries of the weight.

Geometry: PEFT pads the grid by L - 2 on each axis (one more if odd), places the weight's positions
in its middle, reads it as four quadrants, synthesises, and crops the middle. Its quirk: the filter
along the rows follows from the COLUMN half and the other way round (top right is high-pass along
rows), so the two off-diagonal quadrants are exchanged with respect to U C V^T.

Source: Bilican et al. 2025, arXiv:2505.12532; huggingface/peft v0.21.2
    src/peft/tuners/waveft/layer.py:124-199, waverec2d.py:228-316. Filters from PyWavelets.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Float32, Int, Int32, Int64
from torch import Tensor

from sparse_peft.maths.wavelet_filters import synthesis_filters

COUNTED_TOGETHER = 4  # sizes within this factor are counted in one pass


@dataclass(frozen=True)
class Axis:
    """Where the filter taps of one axis of a weight fall."""

    length: int
    """Rows or columns of the weight."""
    half: int
    """Positions in each half of the padded grid."""
    offset: int
    """Index in the padded grid of the weight's first position."""
    trim: int
    """Tap l of position i falls on 2 i + l - trim, if that lies inside the weight."""


def axis(length: int, taps: int) -> Axis:
    """The padded grid of one axis, as PEFT lays it out."""
    padded = length + taps - 2
    padded += padded % 2
    # PEFT trims both ends of the synthesis by this much, then crops the middle.
    ends = (2 * taps - 3) // 2
    synthesised = padded - 2 + taps - 2 * ends
    return Axis(
        length=length,
        half=padded // 2,
        offset=(padded - length) // 2,
        trim=ends + (synthesised - length) // 2,
    )


@dataclass(frozen=True)
class Geometry:
    """Which entries of an out x in weight p coefficients touch, and by how much."""

    shape: tuple[int, int]
    """out, in"""
    family: str
    row_channel: Int64[Tensor, " p"]
    """Along the rows: half * band + position, band 0 low-pass and 1 high-pass."""
    column_channel: Int64[Tensor, " p"]
    """The same along the columns."""
    touched: Int64[Tensor, " u"]
    """Flat indices of the touched entries, ascending."""
    entry: Int32[Tensor, " m"]
    """Contribution m goes to touched[entry[m]] ..."""
    coefficient: Int32[Tensor, " m"]
    """... from this coefficient ..."""
    weight: Float32[Tensor, " m"]
    """... times this."""

    def to(self, device: torch.device) -> "Geometry":
        """The same on another device."""
        tensors = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return Geometry(shape=self.shape, family=self.family, **tensors)


def locations(shape: tuple[int, int], coefficients: int, seed: int) -> Int64[Tensor, "2 p"]:
    """Rows and columns of the trainable coefficients: PEFT's, equal for equal shapes."""
    out_features, in_features = shape
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(out_features * in_features, generator=generator)[:coefficients]
    return torch.stack([index // in_features, index % in_features])


@lru_cache(maxsize=32)
def geometry(shape: tuple[int, int], coefficients: int, seed: int, family: str) -> Geometry:
    """The touched entries of `coefficients` random wavelet coefficients, on the CPU.

    Layers of equal shape share their locations, and so the returned object: do not write to it.
    """
    return geometry_at(shape, locations(shape, coefficients, seed), family)


def geometry_at(shape: tuple[int, int], places: Int64[Tensor, "2 p"], family: str) -> Geometry:
    """The touched entries of the coefficients at given rows and columns of the grid."""
    low_high = torch.tensor(synthesis_filters(family), dtype=torch.float64)
    rows, columns = (axis(length, low_high.shape[1]) for length in shape)
    row_half, row_place = _halves(places[0], rows)
    column_half, column_place = _halves(places[1], columns)
    row_band, column_band = column_half, row_half  # the quirk of the quadrants

    row_at, row_inside = _taps(row_place, rows, low_high.shape[1])
    column_at, column_inside = _taps(column_place, columns, low_high.shape[1])
    weight = low_high[row_band].unsqueeze(2) * low_high[column_band].unsqueeze(1)
    inside = row_inside.unsqueeze(2) & column_inside.unsqueeze(1)
    flat = row_at.unsqueeze(2) * shape[1] + column_at.unsqueeze(1)
    touched, entry = torch.unique(flat[inside], return_inverse=True)
    return Geometry(
        shape=shape,
        family=family,
        row_channel=row_band * rows.half + row_place,
        column_channel=column_band * columns.half + column_place,
        touched=touched,
        entry=entry.int(),
        coefficient=inside.nonzero()[:, 0].int(),
        weight=weight[inside].float(),
    )


def touched_count(shape: tuple[int, int], coefficients: int, seed: int, family: str) -> int:
    """How many entries `geometry` touches, without building it.

    Fewer coefficients at the same seed are the first of more, so one pass counts many sizes.
    """
    most = 1
    while most < coefficients:
        most *= COUNTED_TOGETHER
    return int(_touched_by_first(shape, most, seed, family)[coefficients - 1])


@lru_cache(maxsize=128)
def _touched_by_first(
    shape: tuple[int, int], most: int, seed: int, family: str
) -> Int32[Tensor, " n"]:
    """How many entries the first coefficient touches, the first two, and so on up to `most`."""
    places = locations(shape, most, seed)
    taps = len(synthesis_filters(family)[0])
    rows, columns = (axis(length, taps) for length in shape)
    row_at, row_inside = _taps(_halves(places[0], rows)[1], rows, taps)
    column_at, column_inside = _taps(_halves(places[1], columns)[1], columns, taps)
    count = places.shape[1]
    order = torch.arange(count, dtype=torch.int32)
    earliest = torch.full((shape[0] * shape[1],), count, dtype=torch.int32)
    for row in range(taps):
        for column in range(taps):
            inside = row_inside[:, row] & column_inside[:, column]
            flat = row_at[:, row] * shape[1] + column_at[:, column]
            earliest.scatter_reduce_(0, flat[inside], order[inside], "amin")
    return torch.bincount(earliest, minlength=count)[:count].cumsum(0).int()


def _halves(
    index: Int64[Tensor, " p"], along: Axis
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """Half (0 or 1) of the padded grid, and position in it."""
    padded = index + along.offset
    return padded // along.half, padded % along.half


def _taps(
    place: Int64[Tensor, " p"], along: Axis, taps: int
) -> tuple[Int64[Tensor, "p L"], Int[Tensor, "p L"] | Tensor]:
    """Where each tap falls, and whether that is inside the weight."""
    at = 2 * place.unsqueeze(1) + torch.arange(taps) - along.trim
    return at, (at >= 0) & (at < along.length)


def touched_changes(
    geometry: Geometry, coefficients: Float[Tensor, " p"], scaling: float
) -> Float32[Tensor, " u"]:
    """What the update adds to each touched entry."""
    parts = coefficients.float().index_select(0, geometry.coefficient) * geometry.weight
    sums = parts.new_zeros(geometry.touched.shape[0]).index_add_(0, geometry.entry, parts)
    return sums.mul_(scaling)


def analysed(signal: Float[Tensor, "N t"], family: str) -> Float[Tensor, "P t"]:
    """One-level analysis along the first axis: the transpose of the synthesis of `geometry`.

    Returns:
        Low-pass rows, then high-pass rows.
    """
    low_high = synthesis_filters(family)
    taps = len(low_high[0])
    along = axis(signal.shape[0], taps)
    after = 2 * (along.half - 1) + taps - along.trim - along.length
    padded = torch.nn.functional.pad(signal, (0, 0, along.trim, after))
    result = signal.new_empty(2 * along.half, signal.shape[1])
    for band, filter_ in enumerate(low_high):
        part = result[band * along.half : (band + 1) * along.half]
        torch.mul(padded[0 : 2 * along.half : 2], filter_[0], out=part)
        for tap in range(1, taps):
            part.add_(padded[tap : tap + 2 * along.half - 1 : 2], alpha=filter_[tap])
    return result


def plain_update(
    coefficients: Float[Tensor, " p"],
    places: Int64[Tensor, "2 p"],
    shape: tuple[int, int],
    family: str,
    scaling: float,
) -> Float[Tensor, "out in"]:
    """The dense update, slowly: two synthesis matrices around the whole grid.

    The plain twin of `touched_changes`.
    """
    low_high = torch.tensor(synthesis_filters(family), dtype=coefficients.dtype)
    rows, columns = (axis(length, low_high.shape[1]) for length in shape)
    row_half, row_place = _halves(places[0], rows)
    column_half, column_place = _halves(places[1], columns)
    grid = coefficients.new_zeros(2 * rows.half, 2 * columns.half)
    at = (column_half * rows.half + row_place, row_half * columns.half + column_place)
    grid[at] = coefficients
    return scaling * _plain_synthesis(rows, low_high) @ grid @ _plain_synthesis(columns, low_high).T


def _plain_synthesis(along: Axis, low_high: Float[Tensor, "2 L"]) -> Float[Tensor, "N P"]:
    matrix = low_high.new_zeros(along.length, 2 * along.half)
    for band in range(2):
        for position in range(along.half):
            for tap, value in enumerate(low_high[band]):
                at = 2 * position + tap - along.trim
                if 0 <= at < along.length:
                    matrix[at, band * along.half + position] = value
    return matrix
