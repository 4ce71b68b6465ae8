"""The structure of SO's published optimizer, written plainly: what our figures stand beside.

Dense gradients; a permutation of every tensor at each refresh, whose first entries are the support;
remembered and sampled entries matched by comparing each with each; an update of the tensor through
a sparse tensor of its shape. Tensor by tensor, and with two-dimensional int64 indices.

Structure: nairouz/SO@385f4ab optimizers/SparseOptimizer.py:28-171. Not its code, and without its
unstable sort: here every entry meets its own moments.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


class PublishedSO(torch.optim.Optimizer):
    """SO with the published cost; matrices only."""

    def __init__(
        self, params: ParamsT, lr: float, density_ratio: float, T: int, eps: float = 1e-8
    ) -> None:
        defaults = {
            "lr": lr, "density_ratio": density_ratio, "T": T, "eps": eps, "betas": (0.9, 0.999)
        }  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move every matrix."""
        for options in self.param_groups:
            for param in options["params"]:
                self._move(param, self.state[param], options)

    def _move(self, param: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        count, number = int(param.numel() * options["density_ratio"]), state.get("step", 0)
        if number % options["T"] == 0:
            state["chosen"] = torch.randperm(param.numel())[:count]  # a view: all of it stays
        rows = state["chosen"] // param.shape[1]
        support = torch.stack([rows, state["chosen"] % param.shape[1]])
        index, m, v = _moments(state, support, param.grad[tuple(support)], options["betas"])  # type: ignore[index]
        state["step"] = number = number + 1
        beta1, beta2 = options["betas"]
        size = options["lr"] / (1 - beta1**number)
        change = -size * m / ((v / (1 - beta2**number)).sqrt() + options["eps"])
        with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
            param.add_(torch.sparse_coo_tensor(index, change, param.shape))
        kept = m.abs().topk(count).indices
        state.update(index=index[:, kept], m=m[kept], v=v[kept])


def _moments(
    state: dict[str, Any], support: Tensor, gradient: Tensor, betas: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """The union of remembered and sampled entries, and their moments."""
    beta1, beta2 = betas
    new_m, new_v = (1 - beta1) * gradient, (1 - beta2) * gradient.square()
    if "index" not in state:
        return support, new_m, new_v
    index, m, v = state["index"], beta1 * state["m"], beta2 * state["v"]
    same = (index[:, :, None] == support[:, None, :]).all(0)  # count x count
    if same.any():
        old, new = same.nonzero(as_tuple=True)
        m[old] += new_m[new]
        v[old] += new_v[new]
    fresh = ~same.any(0)
    return (
        torch.cat([index, support[:, fresh]], 1),
        torch.cat([m, new_m[fresh]]),
        torch.cat([v, new_v[fresh]]),
    )
