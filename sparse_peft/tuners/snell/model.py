"""SNELL for PEFT: kernelised low-rank factors whose full update is made sparse, and never kept.

Importing this module makes SNELL known to PEFT by the string "SNELL": from then on
`get_peft_model(model, SnellConfig(...))` works and `PeftModel.from_pretrained` opens what it saved.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from peft import PeftConfig
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import nn

from sparse_peft.maths.snell.competition import Form
from sparse_peft.tuners.snell.linear import SnellLinear, factor_shapes
from sparse_peft.tuners.snell.settings import SnellSettings, check_rank

__all__ = ["SnellConfig", "SnellLinear", "SnellModel", "saved_shapes", "surviving_entries"]

PEFT_TYPE = "SNELL"


@dataclass
class SnellConfig(PeftConfig):  # type: ignore[misc]
    """Settings of SNELL.

    Source: Shen et al. 2024, arXiv:2411.01800; ssfgunner/SNELL@e9d5185
        model/vision_transformer_timm.py:181-299.
    """

    r: int = 8
    """Rank, even: it is split between the two distances of the kernel."""
    target_modules: list[str] | set[str] | str | None = None
    """Names, or endings of the paths, of the Linears to tune; or one regular expression."""
    exclude_modules: list[str] | set[str] | str | None = None
    """The same for modules to leave alone."""
    sparsity: float = 0.9
    """Share of each update's entries that is zeroed, 0 to below 1; 0 is KLoRA, linear in them."""
    form: Form = "code"
    """"code" is the released product with a stopped gradient, "paper" is Eq. 5 as printed."""
    dropout: float = 0.0
    """Share of the adapter's input that is dropped in training; published: 0.1."""
    drop_path: float = 0.0
    """Share of samples for which the adapter is left out in training; published: 0.1."""
    fused_splits: dict[str, int] = field(default_factory=dict)
    """Endings of paths whose outputs are several equal weights fused, such as {"qkv": 3}."""
    modules_to_save: list[str] | None = None
    """Modules besides the adapter that are trained and saved, such as a head."""
    layers_to_transform: list[int] | int | None = None
    """Numbers of the layers to tune, if not all."""
    layers_pattern: list[str] | str | None = None
    """Name of the list of layers that these numbers count."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PEFT_TYPE
        for name in ("target_modules", "exclude_modules"):
            value = getattr(self, name)
            setattr(self, name, set(value) if isinstance(value, list) else value)
        if isinstance(self.target_modules, str) and self.layers_to_transform is not None:
            raise ValueError("layers_to_transform has no meaning where target_modules is a str")
        if self.layers_pattern and self.layers_to_transform is None:
            raise ValueError("layers_pattern needs layers_to_transform")
        for ending, number in self.fused_splits.items():
            if number < 1:
                raise ValueError(f"fused_splits of {ending} is {number}; expected 1 or more")
        check_rank("r", self.r)
        self.settings()

    def settings(self) -> SnellSettings:
        """What each layer has to know.

        Raises:
            SpecError: one is out of its range.
        """
        return SnellSettings(self.r, self.sparsity, self.form, self.dropout, self.drop_path)

    def splits(self, path: str) -> int:
        """How many weights are fused in the module at a path."""
        for ending, number in self.fused_splits.items():
            if _ends(path, ending):
                return number
        return 1


class SnellModel(BaseTuner):  # type: ignore[misc]
    """PEFT's tuner for `SnellConfig`."""

    prefix = "snell_"
    tuner_layer_cls = SnellLinear
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012  # targets are always named

    def inject_adapter(
        self, model: nn.Module, adapter_name: str, *args: Any, **settings: Any
    ) -> None:
        """Put our layers in place of their targets.

        Raises:
            ValueError: an ending in `fused_splits` is that of no target.
        """
        super().inject_adapter(model, adapter_name, *args, **settings)
        for ending in self.peft_config[adapter_name].fused_splits:
            if not any(_ends(path, ending) for path in self.targeted_module_names):
                raise ValueError(f"fused_splits names {ending}, but no module that is tuned has it")
        uses = Counter(id(param) for _, param in model.named_parameters(remove_duplicate=False))
        for module in model.modules():
            if isinstance(module, SnellLinear):
                module.shared = uses[id(module.get_base_layer().weight)] > 1

    def _create_and_replace(
        self,
        config: SnellConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **_: Any,
    ) -> None:
        """Put an adapter beside one module."""
        settings, splits = config.settings(), config.splits(current_key)
        if isinstance(target, SnellLinear):
            target.update_layer(adapter_name, settings, splits, config.inference_mode)
            return
        base = target.get_base_layer() if isinstance(target, BaseTunerLayer) else target
        if not isinstance(base, nn.Linear):
            raise TypeError(
                f"SNELL tunes Linears only; {current_key} is a {type(base).__name__}. "
                "Leave it out of target_modules."
            )
        made = SnellLinear(target, adapter_name, settings, splits, config.inference_mode)
        if adapter_name not in self.active_adapters:
            made.requires_grad_(False)
        self._replace_module(parent, target_name, made, target)


def _ends(path: str, ending: str) -> bool:
    return path == ending or path.endswith(f".{ending}")


PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = SnellConfig
PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = SnellModel
PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] = SnellModel.prefix


def saved_shapes(
    config: SnellConfig, shapes: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, ...]]:
    """The tensors of an adapter and their shapes, from those of the weights that it tunes."""
    found: dict[str, tuple[int, ...]] = {}
    for path, shape in shapes.items():
        a, b = factor_shapes(shape, config.r, config.splits(path))
        found |= {f"{path}.snell_A": a, f"{path}.snell_B": b}
    return found


def surviving_entries(layer: SnellLinear) -> int:
    """How many entries of its weight a layer's active adapter changes."""
    [adapter] = layer.active_adapters
    return int(layer.get_delta_weight(adapter).count_nonzero())
