"""What SO's saved state holds for each tensor, and whether it fits the tensors at hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sparse_peft.maths.so.support_sizes import entries_kept
from sparse_peft.tuners.so.options import OPTIONS, check_options

MOMENTS = ("index", "exp_avg", "exp_avg_sq")
COUNTERS = ("step", "drawn_at", "refreshes")
ORIGINALS = ("touched", "originals")  # in a saved state, beside the tensors of SO's own


def check_state(state_dict: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuse the state of another optimizer or of other tensors.

    Raises:
        ValueError: says which parameter it does not fit, by its number, and what is expected.
    """
    saved_groups = state_dict["param_groups"]
    for saved in saved_groups:
        if missing := [name for name in OPTIONS if name not in saved]:
            raise ValueError(
                f"SO: this state is another optimizer's: it has no {', '.join(missing)}"
            )
        check_options(saved)
    lengths, expected = ([len(g["params"]) for g in found] for found in (saved_groups, groups))
    if lengths != expected:
        raise ValueError(
            f"SO: this state is for groups of {lengths} parameters; expected {expected}"
        )
    for saved, group in zip(saved_groups, groups, strict=True):
        for number, param in zip(saved["params"], group["params"], strict=True):
            if own := state_dict["state"].get(number):
                where = f"parameter {number}, of shape {tuple(param.shape)}"
                _check_own(where, own, param.numel(), saved["density_ratio"])


def _check_own(where: str, own: Mapping[str, Any], size: int, density: float) -> None:
    tensors = (*MOMENTS, "support")
    if missing := [name for name in (*tensors, *COUNTERS) if name not in own]:
        raise ValueError(f"SO: this state has no {', '.join(missing)} for {where}")
    lengths = dict.fromkeys(tensors, entries_kept(size, density))
    if ORIGINALS[0] in own:
        lengths |= dict.fromkeys(ORIGINALS, len(own[ORIGINALS[0]]))
    for name, length in lengths.items():
        value = own.get(name)
        shape = tuple(value.shape) if isinstance(value, Tensor) else value
        if shape != (length,):
            raise ValueError(f"SO: {name} of {where} has shape {shape}; expected {(length,)}")
    _check_index(f"index of {where}", own["index"].sort().values, size, "distinct")
    for name in ("support", ORIGINALS[0]):
        if name in own:
            _check_index(f"{name} of {where}", own[name], size, "ascending")


def _check_index(where: str, index: Tensor, size: int, kind: str) -> None:
    inside = index.dtype == torch.int32 and bool(((index >= 0) & (index < size)).all())
    if not inside or not bool((index[1:] > index[:-1]).all()):
        raise ValueError(f"SO: {where} is wrong; expected {kind} int32 indices below {size}")
