"""Sparse parameter-efficient fine-tuning: a library of methods, and a studio that compares them.

    from sparse_peft import SO, sampled_gradients
    so = SO(model.parameters(), lr=1e-3, density_ratio=5e-4, T=10)
    sampled_gradients(model, so)  # then train as with any optimizer

    from sparse_peft import SnellConfig, WaveFTConfig  # for peft.get_peft_model

Public names are imported when they are first used, so importing the package imports no torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_peft.errors import BackboneError, SpecError
    from sparse_peft.methods import all_methods, method_named
    from sparse_peft.methods.adapters import open_adapter
    from sparse_peft.tuners.opening import load
    from sparse_peft.tuners.snell.model import SnellConfig
    from sparse_peft.tuners.so.delta import load_delta, save_delta
    from sparse_peft.tuners.so.optimizer import SO
    from sparse_peft.tuners.so.sampled_gradients import sampled_gradients
    from sparse_peft.tuners.waveft.model import WaveFTConfig

__version__ = "0.1.0"
__all__ = [
    "SO",
    "BackboneError",
    "SnellConfig",
    "SpecError",
    "WaveFTConfig",
    "all_methods",
    "load",
    "load_delta",
    "method_named",
    "open_adapter",
    "sampled_gradients",
    "save_delta",
]

_HOMES = {
    "BackboneError": "errors",
    "SO": "tuners.so.optimizer",
    "SnellConfig": "tuners.snell.model",
    "SpecError": "errors",
    "WaveFTConfig": "tuners.waveft.model",
    "all_methods": "methods",
    "load": "tuners.opening",
    "load_delta": "tuners.so.delta",
    "method_named": "methods",
    "open_adapter": "methods.adapters",
    "sampled_gradients": "tuners.so.sampled_gradients",
    "save_delta": "tuners.so.delta",
}

# Hidden from type checkers, or every misspelt name would pass as Any.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
