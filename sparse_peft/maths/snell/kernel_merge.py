"""SNELL's update: two thin factors merged through a distance kernel, its small entries zeroed.

    W[o, i] = ALPHA |b0[o] - a0[i]| - ALPHA |b1[o] - a1[i]|       factors come in P = 2 slabs
    S = W                                                         at sparsity 0 (KLoRA)
    S = W max(|W| - t, 0), t the ceil(s n)-th smallest |W|        form "paper", Eq. 5
    S = W sg(|W|) 1[|W| > t], t the quantile s of |W|             form "code"; sg stops gradients

The threshold is a constant to the derivative in both. With E a slab's distances and G the gradient
of W, H = ALPHA G / E gives db = rowsum(H) b - H a and da = colsum(H) a - H^T b: nothing of size
out x in x k is made. All goes through chunks of rows that stay in a cache, so there is little
besides one matrix of the weight's size.

Source: Shen et al. 2024, arXiv:2411.01800, Eq. 3-5 and Appendix B; ssfgunner/SNELL@e9d5185
    model/vision_transformer_timm.py:249-295. ALPHA is learnable in the paper, fixed in the code.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sparse_peft.maths.snell.competition import Competition, Form
from sparse_peft.maths.snell.selection import threshold_of

ALPHA = 0.1  # SCALE_FACTOR_fc
LEAST_CHUNKS = 4  # so that a chunk is small beside its matrix
CPU_ENTRIES = 2**16  # of a chunk: six such arrays stay in a core's cache
DEVICE_ENTRIES = 2**22


def plain_update(
    a: Float[Tensor, " P in k"], b: Float[Tensor, "P out k"], competition: Competition
) -> Float[Tensor, "out in"]:
    """The update S as the formulas say it, with autograd's derivative: slow, and the measure."""
    near, far = torch.linalg.vector_norm(b[:, :, None] - a[:, None], dim=-1).unbind()
    merged: Tensor = ALPHA * near - ALPHA * far
    if competition.sparsity == 0:
        return merged
    sizes = merged.detach().abs().flatten().sort().values
    if competition.form == "paper":
        threshold = sizes[competition.zeroed(sizes.numel()) - 1]
        return merged * torch.relu(merged.abs() - threshold)
    threshold = torch.quantile(sizes, competition.sparsity)
    constant = merged.detach().abs()
    return merged * constant * (constant > threshold)


@dataclass(frozen=True)
class _Thin:
    """Both factors times ALPHA, moved together to where their numbers are small.

    The kernel sees differences only, so moving both changes nothing but rounding.
    """

    a: Float[Tensor, "P k_and_1 in"]
    """(a, 1)"""
    b: Float[Tensor, "P k_and_1 out"]
    """(b, 1)"""
    left: Float[Tensor, "P out k_and_2"]
    """(-2 b, |b|^2, 1)"""
    right: Float[Tensor, "P k_and_2 in"]
    """(a, 1, |a|^2), so that left @ right holds the squared distances"""


def rounds_products(device: torch.device) -> bool:
    """Whether matrix products in fp32 may use fewer digits there, as TF32 does."""
    library = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    return library.matmul.fp32_precision in ("tf32", "bf16")


def _thin(a: Float[Tensor, " P in k"], b: Float[Tensor, "P out k"]) -> _Thin:
    middle = a.mean(1, keepdim=True)
    a, b = (a - middle) * ALPHA, (b - middle) * ALPHA
    (squares_a, ones_a), (squares_b, ones_b) = (
        (f.square().sum(-1, keepdim=True), torch.ones_like(f[..., :1])) for f in (a, b)
    )
    left = torch.cat([-2 * b, squares_b, ones_b], -1)
    right = torch.cat([a, ones_a, squares_a], -1).mT.contiguous()
    ones_b = torch.cat([b, ones_b], -1).mT.contiguous()
    # Squared distances are small differences of large numbers: rounded factors leave nothing.
    exact = torch.float64 if rounds_products(a.device) else a.dtype
    return _Thin(right[:, :-1], ones_b, left.to(exact), right.to(exact))


def _chunks(shape: Sequence[int], device: torch.device) -> Iterator[slice]:
    out, width = shape
    entries = CPU_ENTRIES if device.type == "cpu" else DEVICE_ENTRIES
    rows = max(1, min(entries // width, math.ceil(out / LEAST_CHUNKS)))
    return (slice(start, min(start + rows, out)) for start in range(0, out, rows))


def _room(many: int, thin: _Thin) -> Float[Tensor, "many rows in"]:
    """Scratch space for chunks."""
    out, width = thin.left.shape[1], thin.right.shape[2]
    rows = next(_chunks((out, width), thin.left.device))
    return thin.a.new_empty(many, rows.stop, width)


def _distances(thin: _Thin, slab: int, rows: slice, distances: Tensor, directions: Tensor) -> None:
    """Write the distances of some rows, and what turns their gradient into that of the factors.

    That is 1 / distance, or for a single coordinate the sign of the difference, where squares would
    lose half of the digits. It is 0 where the distance is.
    """
    if thin.a.shape[1] == 2:
        torch.sub(thin.b[slab, 0, rows, None], thin.a[slab, 0], out=distances)
        torch.sign(distances, out=directions)
        distances.abs_()
    else:
        if thin.left.dtype == distances.dtype:
            torch.mm(thin.left[slab, rows], thin.right[slab], out=distances)
        else:
            distances.copy_(thin.left[slab, rows] @ thin.right[slab])
        torch.threshold(distances, 0, math.inf, out=directions).rsqrt_()
        distances.mul_(directions)


@torch.no_grad()
def kernel_merge(
    a: Float[Tensor, " P in k"], b: Float[Tensor, "P out k"]
) -> Float[Tensor, "out in"]:
    """The full matrix W of two thin factors; its rank is not bounded by theirs."""
    with torch.autocast(a.device.type, enabled=False):
        thin = _thin(a, b)
        matrix = a.new_empty(b.shape[1], a.shape[1])
        room = _room(3, thin)
        for rows in _chunks(matrix.shape, matrix.device):
            part = matrix[rows]
            near, far, directions = room[:, : len(part)]
            _distances(thin, 0, rows, near, directions)
            _distances(thin, 1, rows, far, directions)
            torch.sub(near, far, out=part)
        return matrix


@torch.no_grad()
def sparse_update(
    a: Float[Tensor, " P in k"],
    b: Float[Tensor, "P out k"],
    competition: Competition,
    onto: Float[Tensor, "out in"] | None = None,
    threshold: Float[Tensor, ""] | None = None,
) -> tuple[Float[Tensor, "out in"], Float[Tensor, ""]]:
    """The update S and its threshold.

    Args:
        onto: a weight; the first result is then its sum with S.
        threshold: found before from the same factors; it is found here otherwise.
    """
    matrix = kernel_merge(a, b)
    if competition.sparsity == 0:
        return matrix if onto is None else matrix.add_(onto), matrix.new_zeros(())
    if threshold is None:
        threshold = threshold_of(matrix, competition)
    chunks = list(_chunks(matrix.shape, matrix.device))
    room = matrix.new_empty(3, chunks[0].stop, matrix.shape[1])
    for rows in chunks:
        part = matrix[rows]
        slopes, factors, sizes = room[:, : len(part)]
        _compete(part, threshold, competition.form, slopes, factors, sizes)
        _put(part, factors, onto, rows, part)
    return matrix, threshold


def _compete(
    part: Tensor, threshold: Tensor, form: Form, slopes: Tensor, factors: Tensor, sizes: Tensor
) -> None:
    """Write what each entry is multiplied by, and the derivative of that product."""
    torch.abs(part, out=sizes)
    torch.sub(sizes, threshold, out=factors).clamp_min_(0)
    # The sign is 1 for survivors. It keeps the pass off slow masked kernels, and on its device.
    torch.sign(factors, out=slopes)
    slopes.mul_(sizes)
    if form == "code":
        factors.copy_(slopes)
    else:
        slopes.add_(factors)


def _put(part: Tensor, factors: Tensor, onto: Tensor | None, rows: slice, where: Tensor) -> None:
    """Write part * factors, or its sum with some rows of a weight."""
    if onto is None:
        where.copy_(factors.mul_(part))
    else:
        where.copy_(torch.addcmul(onto[rows], part, factors, out=factors))


@torch.no_grad()
def kernel_gradients(
    a: Float[Tensor, " P in k"],
    b: Float[Tensor, "P out k"],
    competition: Competition,
    threshold: Float[Tensor, ""],
    gradient: Float[Tensor, "out in"],
    onto: Float[Tensor, "out in"] | None = None,
) -> tuple[Float[Tensor, " P in k"], Float[Tensor, "P out k"]]:
    """Gradients of both factors from that of S, which is overwritten with `sparse_update`'s result.

    Args:
        threshold: of the forward pass.
        gradient: in any floating-point type.
    """
    with torch.autocast(a.device.type, enabled=False):
        thin = _thin(a, b)
        for_a, for_b = torch.zeros_like(thin.a), torch.empty_like(thin.b)
        room = _room(6, thin)
        for rows in _chunks(gradient.shape, gradient.device):
            part = gradient[rows]
            pulls = _pulls(thin, competition, threshold, rows, part, onto, room[:, : len(part)])
            for slab in range(2):
                for_a[slab].addmm_(thin.b[slab, :, rows], pulls[slab])
                for_b[slab, :, rows] = torch.mm(thin.a[slab], pulls[slab].T)
        return _gathered(thin.a, for_a, -1), _gathered(thin.b, for_b, 1)


def _pulls(
    thin: _Thin,
    competition: Competition,
    threshold: Tensor,
    rows: slice,
    gradient: Tensor,
    onto: Tensor | None,
    room: Tensor,
) -> Tensor:
    """H of each slab, on some rows; their gradient becomes their update."""
    # The first two are where `kernel_merge` has its distances: MKL rounds by how memory is aligned.
    merged, sizes, slopes, factors, *_ = room
    directions = room[-2:]
    _distances(thin, 0, rows, merged, directions[0])
    _distances(thin, 1, rows, sizes, directions[1])
    merged.sub_(sizes)
    if competition.sparsity == 0:
        directions.mul_(gradient)
        gradient.copy_(merged if onto is None else merged.add_(onto[rows]))
    else:
        _compete(merged, threshold, competition.form, slopes, factors, sizes)
        directions.mul_(slopes.mul_(gradient))
        _put(merged, factors, onto, rows, gradient)
    return directions


def _gathered(own: Tensor, collected: Tensor, side: int) -> Tensor:
    """A factor's gradient: (sums of H) own - (H other), or the sums alone for one coordinate.

    Args:
        side: of the difference b - a on which this factor stands; matters to its sign alone.
    """
    sums = collected[:, -1:]
    if own.shape[1] == 2:
        gradient = side * ALPHA * sums
    else:
        gradient = ALPHA * (sums * own[:, :-1] - collected[:, :-1])
    gradient[1].neg_()  # the far distance is subtracted
    return gradient.mT
