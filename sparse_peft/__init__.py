"""Sparse parameter-efficient fine-tuning: WaveFT, SO and LoRA, side by side at one budget.

    from sparse_peft import SO, sampled_gradients
    so = SO(model.parameters(), lr=1e-3, density_ratio=5e-4, T=10)
    sampled_gradients(model, so)  # then train as with any optimizer

Public names are imported when they are first used, so importing the package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparse_peft.methods import all_methods, method_named
    from sparse_peft.methods.adapters import open_adapter
    from sparse_peft.tuners.sampled_gradients import sampled_gradients
    from sparse_peft.tuners.so import SO
    from sparse_peft.tuners.waveft import WaveFTConfig, load

__version__ = "0.1.0"
__all__ = [
    "SO",
    "WaveFTConfig",
    "all_methods",
    "load",
    "method_named",
    "open_adapter",
    "sampled_gradients",
]

_HOMES = {
    "SO": "tuners.so",
    "sampled_gradients": "tuners.sampled_gradients",
    "WaveFTConfig": "tuners.waveft",
    "load": "tuners.waveft",
    "all_methods": "methods",
    "method_named": "methods",
    "open_adapter": "methods.adapters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
