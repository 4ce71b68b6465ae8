"""The few entries of a weight that a sparse update touches: writing it into them."""

import torch
from jaxtyping import Float
from torch import Tensor

from sparse_peft.maths import compiled
from sparse_peft.maths.wavelets import Geometry, touched_changes


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
