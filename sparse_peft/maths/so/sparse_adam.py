"""One step of SO: Adam on a random support, whose moments outlive the support by their size.

For each tensor: k entries are sampled (the support S, kept for T steps); k entries hold moments
(A). A step decays all moments, adds the gradient on S (an entry of S that is not in A starts from
nothing), moves every entry of A and S, and keeps the moments of the k with the largest |m|.

Source: arXiv:2504.12436; nairouz/SO@385f4ab optimizers/SparseOptimizer.py:28-171. That code pairs
    gradients with moments through an unstable sort, so that some meet the wrong entry; here they
    meet by position. It updates A and S before it drops ("after"); the paper drops first and
    updates only what is kept ("before").
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

Prune = Literal["after", "before"]


@dataclass(frozen=True)
class Adam:
    """What one step needs beside the tensors."""

    lr: float
    betas: tuple[float, float]
    eps: float
    step: int
    """Counted from 1, for the correction of the moments' start at zero."""


@dataclass(frozen=True)
class Moments:
    """First and second moments of the k kept entries, of G tensors at once."""

    index: Int32[Tensor, "G k"]
    m: Float[Tensor, "G k"]
    v: Float[Tensor, "G k"]


def sparse_adam(
    moments: Moments,
    support: Int32[Tensor, "G k"],
    gradient: Float[Tensor, "G k"],
    adam: Adam,
    prune: Prune,
) -> tuple[Moments, Int32[Tensor, "G 2*k"], Float[Tensor, "G 2*k"]]:
    """One step of G tensors with k entries each, in fixed shapes: no sort, no wait for a device.

    Before the first step the kept entries are the support with zero moments.

    Args:
        support: ascending along the last axis.
        gradient: at the support.

    Returns:
        The moments that are kept; which entries of the weights to change; what to add to each. An
        entry that is named twice has a zero the first time.
    """
    beta1, beta2 = adam.betas
    at = torch.searchsorted(support, moments.index).clamp_(max=support.shape[1] - 1)
    shared = support.gather(1, at) == moments.index
    # Kept entries outside the support only decay; those inside continue in the support's slot.
    old_m, old_v = moments.m * beta1, moments.v * beta2
    new_m = (gradient * (1 - beta1)).scatter_add_(1, at, old_m * shared)
    new_v = gradient.square().mul_(1 - beta2).scatter_add_(1, at, old_v * shared)

    m, v = torch.cat([old_m, new_m], 1), torch.cat([old_v, new_v], 1)
    live = torch.cat([~shared, torch.ones_like(shared)], 1)
    kept = m.abs().masked_fill_(~live, -1.0).topk(support.shape[1], 1, sorted=False).indices
    moves = live if prune == "after" else torch.zeros_like(live).scatter_(1, kept, True)
    # Where nothing moves, the change may be infinite or no number, if eps is 0.
    change = torch.where(moves, _adam_change(m, v, adam), 0.0)
    index = torch.cat([moments.index, support], 1)
    return Moments(index.gather(1, kept), m.gather(1, kept), v.gather(1, kept)), index, change


def _adam_change(
    m: Float[Tensor, "*shape"], v: Float[Tensor, "*shape"], adam: Adam
) -> Float[Tensor, "*shape"]:
    beta1, beta2 = adam.betas
    size = adam.lr / (1 - beta1**adam.step)
    return (v.sqrt() / math.sqrt(1 - beta2**adam.step)).add_(adam.eps).reciprocal_() * m * -size


@dataclass
class PlainState:
    """Everything SO knows of one tensor, as whole flat tensors."""

    m: Float[Tensor, " n"]
    v: Float[Tensor, " n"]
    kept: Bool[Tensor, " n"]


def plain_sparse_adam(
    weight: Float[Tensor, " n"],
    gradient: Float[Tensor, " n"],
    support: Bool[Tensor, " n"],
    state: PlainState,
    adam: Adam,
    prune: Prune,
) -> Float[Tensor, " n"]:
    """The weight after one step, by dense masks; `state` is brought up to date in place.

    The plain twin of `sparse_adam`: slow, and as near to the words of the paper as it can be.
    """
    count = int(support.sum())
    beta1, beta2 = adam.betas
    state.m *= beta1
    state.v *= beta2
    state.m[support] += (1 - beta1) * gradient[support]
    state.v[support] += (1 - beta2) * gradient[support] ** 2
    union = state.kept | support
    size = state.m.abs()
    size[~union] = -1
    kept = torch.zeros_like(union)
    kept[size.topk(count).indices] = True
    moved = union if prune == "after" else kept
    corrected_m = state.m / (1 - beta1**adam.step)
    corrected_v = state.v / (1 - beta2**adam.step)
    step = adam.lr * corrected_m / (corrected_v.sqrt() + adam.eps)
    state.kept = kept
    state.m[~kept] = 0
    state.v[~kept] = 0
    return torch.where(moved, weight - step, weight)
