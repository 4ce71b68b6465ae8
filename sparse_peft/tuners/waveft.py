"""WaveFT for PEFT, without ever building a whole update in a training step.

A drop-in for PEFT's own: same settings, same places, same files. `get_peft_model(model,
WaveFTConfig(...))` uses these layers; what it saves, plain PEFT opens. PEFT's mapping of WAVEFT to
its own layers stays as it is.
"""

import dataclasses
from typing import Any

import peft
import torch
from jaxtyping import Float
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners import waveft as peft_waveft
from peft.tuners.tuners_utils import check_adapters_to_merge
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft.maths.sampled_gradients import sampled_wavelet_gradients
from sparse_peft.maths.wavelet_filters import check_family
from sparse_peft.maths.wavelets import Geometry, geometry, touched_changes
from sparse_peft.tuners.precision import as_autocast

PEFT_TYPE = "SPARSE_PEFT_WAVEFT"  # in memory only; on disk it is WAVEFT
ON_DISK = "WAVEFT"


@dataclasses.dataclass
class WaveFTConfig(peft_waveft.WaveFTConfig):  # type: ignore[misc]
    """PEFT's settings of WaveFT, for our layers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PEFT_TYPE
        check_family(self.wavelet_family)

    def to_dict(self) -> dict[str, Any]:
        """The settings as PEFT saves them, so that it can open them."""
        return {**super().to_dict(), "peft_type": ON_DISK}


class WaveFTLinear(peft_waveft.WaveFTLinear):  # type: ignore[misc]
    """A Linear whose weight holds the update at the few entries that it touches.

    The originals of these entries are kept, so taking the update out is exact. More than one
    active adapter, or a base that is no plain Linear, takes PEFT's way: a dense update beside the
    untouched weight.
    """

    def __init__(self, base_layer: nn.Module, *args: Any, **settings: Any) -> None:
        self._geometries: dict[str, Geometry] = {}
        self._written: str | None = None
        super().__init__(base_layer, *args, **settings)
        self.register_buffer("originals", None, persistent=False)
        self.register_state_dict_post_hook(_put_originals)
        self.register_load_state_dict_pre_hook(lambda module, *_: module.restore())

    def update_layer(self, adapter_name: str, *args: Any, **settings: Any) -> None:
        """Add an adapter, or start one anew."""
        self.restore()
        self._geometries.pop(adapter_name, None)
        super().update_layer(adapter_name, *args, **settings)

    def delete_adapter(self, adapter_name: str) -> None:
        """Forget an adapter."""
        self.restore()
        self._geometries.pop(adapter_name, None)
        super().delete_adapter(adapter_name)

    def geometry(self, adapter: str) -> Geometry:
        """The entries that an adapter touches, on the device of its coefficients."""
        spectrum = self.waveft_spectrum[adapter]
        found = self._geometries.get(adapter)
        if found is None or found.touched.device != spectrum.device:
            shape = (self.out_features, self.in_features)
            seed = self.waveft_random_loc_seed[adapter]
            family = self.waveft_wavelet_family[adapter]
            found = geometry(shape, spectrum.shape[0], seed, family).to(spectrum.device)
            self._geometries[adapter] = found
        return found

    def get_delta_weight(self, adapter: str) -> Float[Tensor, "out in"]:
        """The whole update, for conversions and checks."""
        if not self.waveft_use_idwt[adapter]:
            dense: Tensor = super().get_delta_weight(adapter)
            return dense
        where, spectrum = self.geometry(adapter), self.waveft_spectrum[adapter]
        changes = touched_changes(where, spectrum, self.waveft_scaling[adapter])
        zeros = changes.new_zeros(self.out_features * self.in_features)
        return zeros.index_copy(0, where.touched, changes).view(where.shape).to(spectrum.dtype)

    @torch.no_grad()
    def write(self, adapter: str) -> None:
        """Put the update of one adapter into the weight."""
        where, weight = self.geometry(adapter), self.get_base_layer().weight
        if self._written != adapter:
            self.restore()
            self.originals = weight.view(-1).index_select(0, where.touched)
            self._written = adapter
        changes = touched_changes(
            where, self.waveft_spectrum[adapter], self.waveft_scaling[adapter]
        )
        # Through .data the version does not count up: between two forward passes of one step the
        # same values are written, and the first one's backward is still right. If an optimizer
        # steps in between, the coefficients that `MergedLinear` saves complain.
        changed = (self.originals.float() + changes).to(weight.dtype)
        weight.data.view(-1).index_copy_(0, where.touched, changed)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the original entries back into the weight, bit for bit."""
        if self._written is not None:
            touched = self.geometry(self._written).touched
            self.get_base_layer().weight.data.view(-1).index_copy_(0, touched, self.originals)
            self.originals, self._written = None, None

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The Linear with the update in it."""
        adapter = self._adapter_to_write()
        if adapter is None:
            if not self.merged:
                self.restore()
            result: Tensor = super().forward(x, *args, **kwargs)
            return result
        self.write(adapter)
        base, spectrum = self.get_base_layer(), self.waveft_spectrum[adapter]
        if not (torch.is_grad_enabled() and spectrum.requires_grad):
            return F.linear(x, base.weight, base.bias)
        x, weight, bias = as_autocast(x, base.weight.detach(), base.bias)
        merged: Tensor = MergedLinear.apply(  # type: ignore[no-untyped-call]
            x, weight, bias, spectrum, self.geometry(adapter), self.waveft_scaling[adapter]
        )
        return merged

    def _adapter_to_write(self) -> str | None:
        """The one adapter that can go into the weight, if this is such a case."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return None
        [adapter] = self.active_adapters
        return adapter if self._can_write(adapter) else None

    def _can_write(self, adapter: str) -> bool:
        base = self.get_base_layer()
        known = adapter in self.waveft_spectrum and self.waveft_use_idwt[adapter]
        return known and type(base) is nn.Linear and base.weight.is_contiguous()

    def enable_adapters(self, enabled: bool) -> None:
        """Switch the update on or off; off, the weight holds its originals."""
        if not enabled and not self.merged:
            self.restore()
        super().enable_adapters(enabled)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Leave the update in the weight, where `unmerge` finds it."""
        names = check_adapters_to_merge(self, adapter_names)
        if len(names) == 1 and not self.merged and self._can_write(names[0]):
            self.write(names[0])
            if safe_merge and not torch.isfinite(self.get_base_layer().weight).all():
                self.restore()
                raise ValueError(f"the adapter {names[0]} holds values that are not finite")
            self.merged_adapters.append(names[0])
        elif names:
            if not self.merged:
                self.restore()
            super().merge(safe_merge, names)

    def unmerge(self) -> None:
        """Take merged updates out again; exactly, if one alone was merged."""
        if self.merged_adapters == [self._written]:
            self.merged_adapters.clear()
            self.restore()
        else:
            super().unmerge()

    def unload_and_optionally_merge_module(
        self, merge: bool, safe_merge: bool, adapter_names: list[str] | None
    ) -> nn.Module:
        """The Linear alone again, with the update or as it was."""
        if merge:
            self.merge(safe_merge, adapter_names)
        elif not self.merged:
            self.restore()
        base: nn.Module = self.get_base_layer()
        return base


def _put_originals(
    module: WaveFTLinear, state_dict: dict[str, Tensor], prefix: str, _: Any
) -> None:
    """A saved base weight is the original one, or an adapter on top of it would count twice."""
    if module._written is not None and not module.merged:
        key = f"{prefix}base_layer.weight"
        weight = state_dict[key].detach().clone()
        touched = module.geometry(module._written).touched
        state_dict[key] = weight.view(-1).index_copy_(0, touched, module.originals).view_as(weight)


class MergedLinear(torch.autograd.Function):
    """y = x W^T + b with the update already in W; its gradient goes to the coefficients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "*tokens in"],
        weight: Float[Tensor, "out in"],
        bias: Float[Tensor, " out"] | None,
        coefficients: Float[Tensor, " p"],
        where: Geometry,
        scaling: float,
    ) -> Float[Tensor, "*tokens out"]:
        """The product."""
        ctx.save_for_backward(x, weight, coefficients)
        ctx.where, ctx.scaling = where, scaling
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, of the bias and of the coefficients."""
        [dy] = gradients
        x, weight, coefficients = ctx.saved_tensors
        for_x, _, for_bias, for_coefficients, _, _ = ctx.needs_input_grad
        flat_x, flat_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        sampled = None
        if for_coefficients:
            sampled = sampled_wavelet_gradients(flat_x, flat_dy, ctx.where, ctx.scaling)
            sampled = sampled.to(coefficients.dtype)
        return (
            dy @ weight if for_x else None,
            None,
            flat_dy.sum(0) if for_bias else None,
            sampled,
            None,
            None,
        )


class WaveFTModel(peft_waveft.WaveFTModel):  # type: ignore[misc]
    """PEFT's tuner with our layer for plain Linears."""

    @staticmethod
    def _create_new_module(
        waveft_config: WaveFTConfig, adapter_name: str, target: nn.Module, **settings: Any
    ) -> nn.Module:
        made = peft_waveft.WaveFTModel._create_new_module
        if not isinstance(target, nn.Linear):
            module: nn.Module = made(waveft_config, adapter_name, target, **settings)
            return module
        return WaveFTLinear(target, adapter_name, config=waveft_config, **settings)


PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = WaveFTConfig
PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = WaveFTModel
PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] = WaveFTModel.prefix


def touched_entries(layer: WaveFTLinear) -> int:
    """How many entries of its weight a layer's active adapter can change."""
    [adapter] = layer.active_adapters
    return layer.geometry(adapter).touched.shape[0]


def load(model: nn.Module, folder: str) -> peft.PeftModel:
    """A model with a WaveFT folder of PEFT's, or of ours, opened with our layers."""
    saved = peft.PeftConfig.from_pretrained(folder)
    if not isinstance(saved, peft_waveft.WaveFTConfig):
        raise ValueError(f"{folder} holds a {saved.peft_type} adapter; expected {ON_DISK}")
    values = {f.name: getattr(saved, f.name) for f in dataclasses.fields(saved)}
    values.pop("peft_type")
    return peft.PeftModel.from_pretrained(model, folder, config=WaveFTConfig(**values))
