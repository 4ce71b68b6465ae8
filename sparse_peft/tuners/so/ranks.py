"""SO in several processes: each averages its sampled gradients with the others."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Variable
from torch.nn.parallel import DataParallel, DistributedDataParallel

from sparse_peft.tuners.entries import values_at
from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.optimizer import SO

SHARDED = {"FullyShardedDataParallel", "FSDPModule"}
IGNORED = "_ddp_params_and_buffers_to_ignore"  # DistributedDataParallel reads it when it wraps


def check_unwrapped(model: nn.Module) -> None:
    """Refuse a model in whose wrapper threads or processes would miss sampled gradients.

    Raises:
        ValueError: says what to do.
    """
    for module in model.modules():
        if isinstance(module, DistributedDataParallel | DataParallel):
            raise ValueError(
                "SO: call sampled_gradients(model, so) on the plain model, and wrap it in "
                "DistributedDataParallel after that; DataParallel is not possible"
            )
        if SHARDED & {kind.__name__ for kind in type(module).__mro__}:
            raise ValueError(
                "SO: weights that are sharded over processes cannot be sampled; "
                "use DistributedDataParallel"
            )


def leave_to_us(model: nn.Module, so: SO) -> Callable[[], None]:
    """Tell a DistributedDataParallel that may wrap the model later that SO averages for itself.

    Returns:
        What takes that back.
    """
    before = getattr(model, IGNORED, None)
    tuned = {param for group in so.param_groups for param in group["params"]}
    names = [name for name, param in model.named_parameters() if param in tuned]
    setattr(model, IGNORED, _Ignored(before or [], names))
    return (
        partial(delattr, model, IGNORED)
        if before is None
        else partial(setattr, model, IGNORED, before)
    )


class _Ignored(list[str]):
    """Names of parameters; a copy has those alone that were ignored before, since SO has no copy.

    DistributedDataParallel would average no gradient of the copy's otherwise, and say nothing.
    """

    def __init__(self, before: Iterable[str], ours: Iterable[str]) -> None:
        self._before = list(before)
        super().__init__([*self._before, *ours])

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[list[str]]]:
        return list, (self._before,)


class Averaging:
    """Averages the sampled gradients of all processes at the end of each backward pass."""

    def __init__(self, so: SO, views: Mapping[Tensor, GradientView]) -> None:
        self._so, self._views = so, views
        self._due_in: int | None = None  # the backward pass at whose end it will be done
        self._compared = False

    @staticmethod
    def needed() -> bool:
        """Whether there are other processes."""
        return (
            distributed.is_available()
            and distributed.is_initialized()
            and distributed.get_world_size() > 1
        )

    def check(self, weight: Tensor, x: Tensor) -> None:
        """Refuse a forward pass inside a wrapper that does not know of SO.

        Raises:
            RuntimeError: its replicas or its own averaging would miss the sampled gradients.
        """
        if x.device != weight.device:
            raise RuntimeError(
                f"SO: the input is on {x.device}, the weight on {weight.device}. Replicas of "
                "DataParallel cannot share sampled gradients; use DistributedDataParallel"
            )
        wrapper = DistributedDataParallel._active_ddp_module
        if wrapper is not None and any(weight is param for param in wrapper._module_parameters):
            raise RuntimeError(
                "SO: DistributedDataParallel waits for the dense gradient of a weight whose "
                "entries are sampled; call sampled_gradients(model, so) on the very module that "
                "it will wrap, before it is wrapped"
            )

    def due(self) -> None:
        """A sampled gradient has been added in the backward pass that is under way."""
        if not self.needed():
            return
        current = torch._C._current_graph_task_id()
        if current != self._due_in:
            self._due_in = current
            Variable._execution_engine.queue_callback(self._average)

    @torch.no_grad()
    def _average(self) -> None:
        if not self._compared:
            self._compare()
        alike: dict[tuple[torch.device, torch.dtype], list[Tensor]] = defaultdict(list)
        for param, leaf in self._so.sampled.items():
            alike[(leaf.device, leaf.dtype)].append(param)
        for params in alike.values():
            self._average_alike(params)

    def _average_alike(self, params: list[Tensor]) -> None:
        """A tensor that no process has a gradient of keeps none; for others, no gradient is 0."""
        leaves = [self._so.sampled[param] for param in params]
        there = [float(leaf.grad is not None) for leaf in leaves]
        parts = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
        whole = torch.cat([*parts, torch.tensor(there).to(parts[0])])
        distributed.all_reduce(whole)
        whole /= distributed.get_world_size()
        sizes = [leaf.numel() for leaf in leaves]
        *averages, somewhere = torch.split(whole, [*sizes, len(leaves)])
        anywhere = there if all(there) else somewhere.tolist()
        for param, leaf, average, share in zip(params, leaves, averages, anywhere, strict=True):
            if share:
                leaf.grad = average.clone()
                param.grad = self._views[param]

    def _compare(self) -> None:
        """Refuse processes that would drift apart.

        Raises:
            RuntimeError: they sample other entries, or began from other weights.
        """
        said: list[str | None] = [None] * distributed.get_world_size()
        distributed.all_gather_object(said, self._digest())
        if len(set(said)) > 1:
            raise RuntimeError(
                "SO: the processes sample different entries or hold different weights; give each "
                "the same options and seed, and the same weights to begin with"
            )
        self._compared = True

    def _digest(self) -> str:
        found = hashlib.sha256()
        for param in self._so.sampled:
            if param.requires_grad:
                support = self._so.support(param)
                found.update(support.cpu().numpy().tobytes())
                found.update(values_at(param, support).double().cpu().numpy().tobytes())
        return found.hexdigest()
