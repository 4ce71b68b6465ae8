"""What coefficients make of their weight: at the entries they touch, or as a whole update."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse_peft.maths.kernels import compiled
from sparse_peft.maths.wavelets.analysis import synthesised
from sparse_peft.maths.wavelets.axes import Axis, axis
from sparse_peft.maths.wavelets.filters import synthesis_filters
from sparse_peft.maths.wavelets.geometry import Channels, Geometry, halves


def touched_changes(
    geometry: Geometry, coefficients: Float[Tensor, " p"], scaling: float
) -> Float[Tensor, " u"]:
    """What the update adds to each touched entry, in the precision of the geometry."""
    values = coefficients.to(geometry.weight.dtype)
    parts = values.index_select(0, geometry.coefficient).mul_(geometry.weight)
    sums = parts.new_zeros(geometry.touched.shape[0]).index_add_(0, geometry.entry, parts)
    return sums.mul_(scaling)


@torch.no_grad()
def write_update(
    weight: Float[Tensor, "out in"],
    originals: Float[Tensor, " u"],
    where: Geometry,
    coefficients: Float[Tensor, " p"],
    scaling: float,
) -> None:
    """Put originals plus the update into the touched entries of a contiguous weight, in place.

    The bits are the same with numba and without: the contributions are added in one order.

    Args:
        originals: what the touched entries were, in the type of the weight.
    """
    if compiled.takes(weight, originals, where.weight, coefficients):
        compiled.write_update(weight, originals, where, coefficients, scaling)
        return
    changes = touched_changes(where, coefficients, scaling)
    changed = (originals + changes).to(weight.dtype)
    weight.view(-1).index_copy_(0, where.touched, changed)


def dense_update(
    where: Channels, coefficients: Float[Tensor, " p"], scaling: float
) -> Float[Tensor, "out in"]:
    """The whole update, by synthesis along one axis after the other.

    Its cost does not grow with the square of the filter's length, as that of `touched_changes`.
    """
    values = coefficients * scaling
    out, into = where.shape
    if where.family is None:
        grid = values.new_zeros(out, into)
        grid[where.row_channel, where.column_channel] = values
        return grid
    rows, columns = (axis(length, where.family) for length in where.shape)
    grid = values.new_zeros(rows.channels, columns.channels)
    grid[where.row_channel, where.column_channel] = values
    half = synthesised(grid, out, where.family).contiguous()
    return synthesised(half, into, where.family)


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
    rows, columns = (axis(length, family) for length in shape)
    row_half, row_place = halves(places[0], rows)
    column_half, column_place = halves(places[1], columns)
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
