"""WaveFT for PEFT, without ever building a whole update in a training step.

A drop-in for PEFT's own: same settings, same places, same files. `get_peft_model(model,
WaveFTConfig(...))` uses these layers; what it saves, plain PEFT opens, unless the settings go
beyond PEFT's: then the file has a type of its own, which plain PEFT refuses. PEFT's mapping of
WAVEFT to its own layers stays as it is.
"""

import copy
import dataclasses
from collections import Counter
from typing import Any

import peft
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners import waveft as peft_waveft
from torch import nn
from transformers.pytorch_utils import Conv1D

from sparse_peft.maths.wavelets.counting import touched_count
from sparse_peft.maths.wavelets.filters import PEFT_FAMILIES, check_family
from sparse_peft.maths.wavelets.geometry import Geometry
from sparse_peft.maths.wavelets.places import layer_seed
from sparse_peft.tuners.waveft.linear import WaveFTLinear

PEFT_TYPE = "SPARSE_PEFT_WAVEFT"
ON_DISK = "WAVEFT"  # what plain PEFT reads

__all__ = ["WaveFTConfig", "WaveFTLinear", "WaveFTModel", "load", "touched_entries"]


@dataclasses.dataclass
class WaveFTConfig(peft_waveft.WaveFTConfig):  # type: ignore[misc]
    """PEFT's settings of WaveFT, for our layers.

    PEFT's own coif4 and coif5 are not the wavelets of these names; ours are PyWavelets'.
    """

    wavelet_family: str = dataclasses.field(
        default="db1",
        metadata={
            "help": "A discrete wavelet by its PyWavelets name. Plain PEFT opens db1 to db10, sym2 "
            "to sym10 and coif1 to coif3; with another, it refuses the saved folder."
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
        check_family(self.wavelet_family)
        family, self.wavelet_family = self.wavelet_family, "db1"  # PEFT refuses what it lacks
        super().__post_init__()
        self.wavelet_family = family
        self.peft_type = PEFT_TYPE

    @property
    def opens_in_peft(self) -> bool:
        """Whether plain PEFT computes the same from these settings."""
        known = not self.use_idwt or self.wavelet_family in PEFT_FAMILIES
        return known and not self.per_layer_seed

    def to_dict(self) -> dict[str, Any]:
        """The settings as they are saved: as PEFT's own where it can open them."""
        values: dict[str, Any] = super().to_dict()
        if self.opens_in_peft:
            values["peft_type"] = ON_DISK
            del values["per_layer_seed"]
        return values


class WaveFTModel(peft_waveft.WaveFTModel):  # type: ignore[misc]
    """PEFT's tuner with our layer."""

    def inject_adapter(self, model: nn.Module, *args: Any, **settings: Any) -> None:
        """Put our layers in place of their targets; weights that others use are never written."""
        super().inject_adapter(model, *args, **settings)
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
        if waveft_config.per_layer_seed:
            waveft_config = copy.copy(waveft_config)
            waveft_config.random_loc_seed = layer_seed(waveft_config.random_loc_seed, current_key)
        super()._create_and_replace(
            waveft_config, adapter_name, target, target_name, parent, current_key, **settings
        )

    @staticmethod
    def _create_new_module(
        waveft_config: WaveFTConfig, adapter_name: str, target: nn.Module, **settings: Any
    ) -> nn.Module:
        if not isinstance(target, nn.Linear | Conv1D):
            raise TypeError(
                f"the target is a {type(target).__name__}; expected a Linear or a Conv1D"
            )
        waveft_config.fan_in_fan_out = isinstance(target, Conv1D)
        return WaveFTLinear(target, adapter_name, config=waveft_config, **settings)


PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = WaveFTConfig
PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = WaveFTModel
PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] = WaveFTModel.prefix


def touched_entries(layer: WaveFTLinear) -> int:
    """How many entries of its weight a layer's active adapter can change."""
    [adapter] = layer.active_adapters
    where = layer.where(adapter)
    if isinstance(where, Geometry):
        return where.touched.shape[0]
    seed = layer.waveft_random_loc_seed[adapter]
    return touched_count(where.shape, where.row_channel.shape[0], seed, where.family)


def load(model: nn.Module, folder: str) -> peft.PeftModel:
    """A model with a WaveFT folder of PEFT's, or of ours, opened with our layers.

    Raises:
        ValueError: the folder holds another kind of adapter.
    """
    saved = peft.PeftConfig.from_pretrained(folder)
    if not isinstance(saved, peft_waveft.WaveFTConfig):
        raise ValueError(f"{folder} holds a {saved.peft_type} adapter; expected {ON_DISK}")
    values = {f.name: getattr(saved, f.name) for f in dataclasses.fields(saved)}
    values.pop("peft_type")
    return peft.PeftModel.from_pretrained(model, folder, config=WaveFTConfig(**values))
