"""One-level wavelet synthesis of a sparse coefficient grid, as the few entries it touches.

The update is scaling * sum_k c_k a_k b_k^T: coefficient k is an outer product of two short filters,
so p coefficients with filters of L taps touch at most L^2 p entries of the weight. Without a
wavelet (family None) coefficient k is one entry of the weight.

PEFT reads the padded grid as four quadrants. Its quirk: the filter along the rows follows from the
COLUMN half and the other way round (top right is high-pass along rows), so the two off-diagonal
quadrants are exchanged with respect to U C V^T.

Source: Bilican et al. 2025, arXiv:2505.12532; huggingface/peft v0.21.2
    src/peft/tuners/waveft/layer.py:124-199, waverec2d.py:228-316. Filters from PyWavelets.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int, Int32, Int64
from torch import Tensor

from sparse_peft.maths.wavelets.analysis import channel
from sparse_peft.maths.wavelets.axes import Axis, axis
from sparse_peft.maths.wavelets.filters import synthesis_filters, taps_of

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Channels:
    """Which pair of channels each of p coefficients of an out x in update joins."""

    shape: tuple[int, int]
    """out, in"""
    family: str | None
    """None: the coefficients are entries of the weight, and channels are features."""
    row_channel: Int64[Tensor, " p"]
    """Along the rows, as numbered by `analysis.analysed`."""
    column_channel: Int64[Tensor, " p"]
    """The same along the columns."""


@dataclass(frozen=True, eq=False)
class Geometry(Channels):
    """Also which entries of the weight the coefficients touch, and by how much."""

    touched: Int64[Tensor, " u"]
    """Flat indices of the touched entries, ascending."""
    entry: Int32[Tensor, " m"]
    """Contribution m goes to touched[entry[m]] ..."""
    coefficient: Int32[Tensor, " m"]
    """... from this coefficient ..."""
    weight: Float[Tensor, " m"]
    """... times this."""


def locations(shape: tuple[int, int], coefficients: int, seed: int) -> Int64[Tensor, "2 p"]:
    """Rows and columns of the trainable coefficients: PEFT's, equal for equal shapes."""
    out_features, in_features = shape
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(out_features * in_features, generator=generator)[:coefficients]
    return torch.stack([index // in_features, index % in_features])


def contributions(coefficients: int, family: str | None) -> int:
    """How many products make up the touched entries, at most."""
    taps = 1 if family is None else taps_of(family)
    return taps * taps * coefficients


@lru_cache(maxsize=32)
def channels(
    shape: tuple[int, int],
    coefficients: int,
    seed: int,
    family: str | None,
    device: torch.device = CPU,
) -> Channels:
    """The channels of `coefficients` random coefficients; shared, so do not write to it."""
    places = locations(shape, coefficients, seed)
    rows, columns = _channels_at(shape, places, family)
    return Channels(shape, family, rows.to(device), columns.to(device))


@lru_cache(maxsize=32)
def geometry(
    shape: tuple[int, int],
    coefficients: int,
    seed: int,
    family: str | None,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> Geometry:
    """The touched entries of `coefficients` random coefficients.

    Layers of equal shape share their locations, and so the returned object: do not write to it.
    """
    made = geometry_at(shape, locations(shape, coefficients, seed), family, dtype)
    tensors = {k: v.to(device) for k, v in vars(made).items() if isinstance(v, Tensor)}
    return Geometry(shape=shape, family=family, **tensors)


def geometry_at(
    shape: tuple[int, int],
    places: Int64[Tensor, "2 p"],
    family: str | None,
    dtype: torch.dtype = torch.float32,
) -> Geometry:
    """The touched entries of the coefficients at given rows and columns of the grid, on the CPU."""
    row_channel, column_channel = _channels_at(shape, places, family)
    if family is None:
        low_high = torch.ones(2, 1, dtype=torch.float64)
        row_at, column_at = places[0].unsqueeze(1), places[1].unsqueeze(1)
        inside = torch.ones(places.shape[1], 1, 1, dtype=torch.bool)
        row_band = column_band = torch.zeros_like(places[0])
    else:
        low_high = torch.tensor(synthesis_filters(family), dtype=torch.float64)
        rows, columns = (axis(length, family) for length in shape)
        column_band, row_place = halves(places[0], rows)  # the quirk of the quadrants
        row_band, column_place = halves(places[1], columns)
        row_at, row_inside = _taps(row_place, rows, low_high.shape[1])
        column_at, column_inside = _taps(column_place, columns, low_high.shape[1])
        inside = row_inside.unsqueeze(2) & column_inside.unsqueeze(1)
    weight = low_high[row_band].unsqueeze(2) * low_high[column_band].unsqueeze(1)
    flat = row_at.unsqueeze(2) * shape[1] + column_at.unsqueeze(1)
    touched, entry = torch.unique(flat[inside], return_inverse=True)
    return Geometry(
        shape=shape,
        family=family,
        row_channel=row_channel,
        column_channel=column_channel,
        touched=touched,
        entry=entry.int(),
        coefficient=inside.nonzero()[:, 0].int(),
        weight=weight[inside].to(dtype),
    )


def _channels_at(
    shape: tuple[int, int], places: Int64[Tensor, "2 p"], family: str | None
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    if family is None:
        return places[0].clone(), places[1].clone()
    row_half, row_place = halves(places[0], axis(shape[0], family))
    column_half, column_place = halves(places[1], axis(shape[1], family))
    return channel(column_half, row_place), channel(row_half, column_place)  # again the quirk


def halves(
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
