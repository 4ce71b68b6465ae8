"""WaveFT for PEFT, without ever building a whole update in a training step.

A drop-in for PEFT's own: same settings, same places, same files. `get_peft_model(model,
WaveFTConfig(...))` uses these layers; what it saves, plain PEFT opens, unless the settings go
beyond PEFT's: then the file has a type of its own, which plain PEFT refuses. PEFT's mapping of
WAVEFT to its own layers stays as it is.
"""

import copy
import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners import waveft as peft_waveft
from peft.utils.other import get_pattern_key
from torch import nn
from transformers.pytorch_utils import Conv1D

from sparse_peft.files import write_json
from sparse_peft.maths.wavelets.counting import touched_count
from sparse_peft.maths.wavelets.filters import PEFT_FAMILIES, check_family
from sparse_peft.maths.wavelets.geometry import Geometry
from sparse_peft.maths.wavelets.places import layer_seed
from sparse_peft.tuners.waveft.kind import BEYOND_PEFT, ON_DISK, WAVEFT
from sparse_peft.tuners.waveft.linear import WaveFTLinear

__all__ = [
    "WaveFTConfig",
    "WaveFTLinear",
    "WaveFTModel",
    "as_ours",
    "saved_shapes",
    "touched_entries",
]

SECOND_NAME_OF_DB1 = "haar"
WEIGHTS_NAME = "weight_shapes.json"  # out and in of each weight, by the path of its module


@dataclasses.dataclass
class WaveFTConfig(peft_waveft.WaveFTConfig):  # type: ignore[misc]
    """PEFT's settings of WaveFT, for our layers.

    PEFT's own coif4 and coif5 are not the wavelets of these names; ours are PyWavelets'.
    """

    wavelet_family: str = dataclasses.field(
        default="db1",
        metadata={
            "help": "A discrete wavelet by its PyWavelets name; haar becomes db1, which it is. "
            "Plain PEFT opens db1 to db10, sym2 to sym10 and coif1 to coif3; with another, it "
            "refuses the saved folder."
        },
    )
    per_layer_seed: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "Whether layers of equal shape have different places, which follow from their "
            "paths. Plain PEFT refuses the saved folder."
        },
    )

    def __post_init__(self) -> None:
        if self.wavelet_family == SECOND_NAME_OF_DB1:
            self.wavelet_family = "db1"
        check_family(self.wavelet_family)
        family, self.wavelet_family = self.wavelet_family, "db1"  # PEFT refuses what it lacks
        super().__post_init__()
        self.wavelet_family = family
        self.peft_type = WAVEFT
        # Shapes of the weights at work, by path; no field, or PEFT would save it as a setting.
        self.weights: dict[str, tuple[int, int]] = {}

    @property
    def opens_in_peft(self) -> bool:
        """Whether plain PEFT computes the same from these settings."""
        known = not self.use_idwt or self.wavelet_family in PEFT_FAMILIES
        return known and not self.per_layer_seed

    def to_dict(self) -> dict[str, Any]:
        """The settings as they are saved: as PEFT's own where it can open them."""
        values: dict[str, Any] = super().to_dict()
        values["peft_type"] = ON_DISK if self.opens_in_peft else BEYOND_PEFT
        if self.opens_in_peft:
            del values["per_layer_seed"]
        return values

    def save_pretrained(self, save_directory: str | Path, **settings: Any) -> None:
        """Write the settings, and beside them the shapes of the weights, which PEFT does not read.

        Raises:
            DiskError: no room, or the disk fails.
        """
        super().save_pretrained(str(save_directory), **settings)
        if self.weights:
            write_json(Path(save_directory) / WEIGHTS_NAME, {**self.weights})


def as_ours(config: peft_waveft.WaveFTConfig) -> WaveFTConfig:
    """The same settings for our layers, of PEFT's config or of ours."""
    if isinstance(config, WaveFTConfig):
        return config
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    del values["peft_type"]
    return WaveFTConfig(**values)


class WaveFTModel(peft_waveft.WaveFTModel):  # type: ignore[misc]
    """PEFT's tuner with our layer."""

    def inject_adapter(
        self, model: nn.Module, adapter_name: str, *args: Any, **settings: Any
    ) -> None:
        """Put our layers in place of their targets; weights that others use are never written."""
        # What PEFT adds from a folder comes with PEFT's own config.
        # A copy: one config may serve several models, with weights of other shapes.
        config = copy.copy(as_ours(self.peft_config[adapter_name]))
        self.peft_config[adapter_name] = config
        super().inject_adapter(model, adapter_name, *args, **settings)
        config.weights = {
            path: (layer.out_features, layer.in_features)
            for path, layer in model.named_modules()
            if isinstance(layer, WaveFTLinear) and adapter_name in layer.waveft_spectrum
        }
        uses = Counter(id(param) for _, param in model.named_parameters(remove_duplicate=False))
        for module in model.modules():
            if isinstance(module, WaveFTLinear):
                base = module.get_base_layer()
                if any(uses[id(param)] > 1 for param in base.parameters(recurse=False)):
                    module.share()

    def _create_and_replace(
        self,
        waveft_config: WaveFTConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **settings: Any,
    ) -> None:
        base = target.get_base_layer() if isinstance(target, WaveFTLinear) else target
        if not isinstance(base, nn.Linear | Conv1D):
            raise TypeError(
                f"WaveFT tunes Linears and Conv1Ds only; {current_key} is a {type(base).__name__}. "
                "Leave it out of target_modules."
            )
        if waveft_config.per_layer_seed:
            waveft_config = copy.copy(waveft_config)
            waveft_config.random_loc_seed = layer_seed(waveft_config.random_loc_seed, current_key)
        try:
            super()._create_and_replace(
                waveft_config, adapter_name, target, target_name, parent, current_key, **settings
            )
        except ValueError as error:
            raise ValueError(f"{current_key}: {error}") from error

    @staticmethod
    def _create_new_module(
        waveft_config: WaveFTConfig, adapter_name: str, target: nn.Module, **settings: Any
    ) -> nn.Module:
        waveft_config.fan_in_fan_out = isinstance(target, Conv1D)
        return WaveFTLinear(target, adapter_name, config=waveft_config, **settings)


for _kind in (WAVEFT, BEYOND_PEFT):  # in memory, and what some files say
    PEFT_TYPE_TO_CONFIG_MAPPING[_kind] = WaveFTConfig
    PEFT_TYPE_TO_TUNER_MAPPING[_kind] = WaveFTModel
    PEFT_TYPE_TO_PREFIX_MAPPING[_kind] = WaveFTModel.prefix


def saved_shapes(
    model: nn.Module, config: WaveFTConfig, shapes: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, ...]]:
    """The tensors of an adapter and their shapes, from those of the weights that it tunes.

    Only with `proportional_parameters` do they tell anything of the weights.

    Raises:
        ValueError: a weight has fewer entries than it is to have coefficients.
    """
    if config.proportional_parameters:
        counts = WaveFTModel._calculate_proportional_parameters(None, model, config)
    else:
        pattern = config.n_frequency_pattern
        found = {path: get_pattern_key(list(pattern), path) for path in shapes}
        counts = {path: pattern.get(key, config.n_frequency) for path, key in found.items()}
    for path, (out, into) in shapes.items():
        if counts[path] > out * into:
            raise ValueError(f"{path} has {out * into} entries, too few for {counts[path]}")
    return {f"{path}.waveft_spectrum": (counts[path],) for path in shapes}


def touched_entries(layer: WaveFTLinear) -> int:
    """How many entries of its weight a layer's active adapter can change."""
    [adapter] = layer.active_adapters
    where = layer.where(adapter)
    if isinstance(where, Geometry):
        return where.touched.shape[0]
    seed = layer.waveft_random_loc_seed[adapter]
    return touched_count(where.shape, where.row_channel.shape[0], seed, where.family)
