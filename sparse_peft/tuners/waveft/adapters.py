"""What a WaveFT layer keeps of its adapters: coefficients, places, scalings."""

from typing import Any

import torch
from jaxtyping import Float
from peft.tuners import waveft as peft_waveft
from torch import Tensor, nn

from sparse_peft.maths.wavelets.geometry import (
    Channels,
    Geometry,
    channels,
    contributions,
    geometry,
)
from sparse_peft.maths.wavelets.updates import dense_update, touched_changes

RANDOM_SIZE = 0.01  # of coefficients that do not start at zero, as in PEFT


class WaveFTAdapters(peft_waveft.WaveFTLinear):  # type: ignore[misc]
    """PEFT's layer with places that layers of equal shape share, and sparse arithmetic."""

    def __init__(self, base_layer: nn.Module, *args: Any, **settings: Any) -> None:
        self._where: dict[str, Channels] = {}
        self._scaling_at_first: dict[str, float] = {}
        super().__init__(base_layer, *args, **settings)

    def update_layer(
        self, adapter_name: str, n_frequency: int, config: peft_waveft.WaveFTConfig
    ) -> None:
        """Add an adapter, or start one anew."""
        self._where.pop(adapter_name, None)
        size = self.in_features * self.out_features
        if not 0 < n_frequency <= size:
            raise ValueError(f"n_frequency is {n_frequency}; expected 1 to {size} in this layer")
        self.waveft_n_frequency[adapter_name] = n_frequency
        self.waveft_random_loc_seed[adapter_name] = config.random_loc_seed
        self.waveft_wavelet_family[adapter_name] = config.wavelet_family
        self.waveft_use_idwt[adapter_name] = config.use_idwt
        self.waveft_scaling[adapter_name] = config.scaling
        self._scaling_at_first[adapter_name] = config.scaling
        zeros = torch.zeros(n_frequency)
        values = zeros if config.init_weights else torch.randn(n_frequency) * RANDOM_SIZE
        self.waveft_spectrum[adapter_name] = nn.Parameter(values)
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def delete_adapter(self, adapter_name: str) -> None:
        """Forget an adapter."""
        self._where.pop(adapter_name, None)
        self._scaling_at_first.pop(adapter_name, None)
        super().delete_adapter(adapter_name)

    def set_scale(self, adapter: str, scale: float) -> None:
        """Multiply an adapter's update by this, compared with its settings."""
        if adapter in self._scaling_at_first:
            self.waveft_scaling[adapter] = scale * self._scaling_at_first[adapter]

    def scale_layer(self, scale: float) -> None:
        """Multiply the updates of the active adapters by this, on top of what they have."""
        for adapter in self._known(self.active_adapters):
            self.waveft_scaling[adapter] *= scale

    def unscale_layer(self, scale: float | None = None) -> None:
        """Undo `scale_layer`; without a number, go back to the settings."""
        for adapter in self._known(self.active_adapters):
            if scale is None:
                self.waveft_scaling[adapter] = self._scaling_at_first[adapter]
            elif scale != 0:
                self.waveft_scaling[adapter] /= scale

    def _known(self, adapters: list[str]) -> list[str]:
        return [adapter for adapter in adapters if adapter in self.waveft_spectrum]

    def where(self, adapter: str) -> Channels:
        """The places of an adapter's coefficients; a `Geometry` if it could be written."""
        spectrum = self.waveft_spectrum[adapter]
        found = self._where.get(adapter)
        precise = spectrum.dtype == torch.float64
        dtype = torch.float64 if precise else torch.float32
        if (
            found is None
            or found.row_channel.device != spectrum.device
            or (isinstance(found, Geometry) and found.weight.dtype != dtype)
        ):
            shape = (self.out_features, self.in_features)
            family = self.waveft_wavelet_family[adapter] if self.waveft_use_idwt[adapter] else None
            given = (shape, spectrum.shape[0], self.waveft_random_loc_seed[adapter], family)
            if contributions(spectrum.shape[0], family) <= shape[0] * shape[1]:
                found = geometry(*given, dtype, spectrum.device)
            else:
                found = channels(*given, spectrum.device)
            self._where[adapter] = found
        return found

    def get_delta_weight(self, adapter: str) -> Float[Tensor, "out in"]:
        """The whole update, for conversions and checks."""
        where, spectrum = self.where(adapter), self.waveft_spectrum[adapter]
        scaling = self.waveft_scaling[adapter]
        if not isinstance(where, Geometry):
            values = spectrum.to(torch.promote_types(spectrum.dtype, torch.float32))
            return dense_update(where, values, scaling).to(spectrum.dtype)
        changes = touched_changes(where, spectrum, scaling)
        zeros = changes.new_zeros(self.out_features * self.in_features)
        return zeros.index_copy(0, where.touched, changes).view(where.shape).to(spectrum.dtype)
