"""A Linear with WaveFT's update in it, and out of it again bit for bit."""

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import check_adapters_to_merge
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakIdKeyDictionary

from sparse_peft.maths.wavelets.geometry import Geometry
from sparse_peft.maths.wavelets.updates import write_update
from sparse_peft.tuners.precision import as_autocast
from sparse_peft.tuners.waveft.adapters import WaveFTAdapters
from sparse_peft.tuners.waveft.products import SparseProduct, WrittenLinear

_holders = WeakIdKeyDictionary()
"""The layers that hold each weight: one that two of them hold must not be written to."""


class WaveFTLinear(WaveFTAdapters):
    """A Linear whose weight holds the update at the few entries that it touches.

    The originals of these entries are kept, so taking the update out is exact. The update works on
    the activations instead, beside the untouched weight, where several adapters are active, where
    the filters are so long that they touch most entries, and where the weight is shared, trained,
    quantised, or used by anything but a plain Linear.
    """

    def __init__(self, base_layer: nn.Module, *args: Any, **settings: Any) -> None:
        self._written: str | None = None
        self._values: tuple[float, Tensor] | None = None  # written, and with which scaling
        self._whole: Tensor | None = None
        self.shared = False
        super().__init__(base_layer, *args, **settings)
        self.register_buffer("originals", None, persistent=False)
        self.register_state_dict_post_hook(_put_originals)
        self.register_load_state_dict_pre_hook(_restore_before_loading)
        self._hold(base_layer)

    def _hold(self, base: nn.Module) -> None:
        weight = getattr(base, "weight", None)
        if isinstance(weight, Tensor):
            holders = _holders.setdefault(weight, WeakSet())  # type: ignore[no-untyped-call]
            holders.add(self)
            if len(holders) > 1:
                for layer in holders:
                    layer.share()

    def share(self) -> None:
        """Never write to the weight: others use it too."""
        self.restore()
        self.shared = True

    def update_layer(self, adapter_name: str, *args: Any, **settings: Any) -> None:
        """Add an adapter, or start one anew."""
        self.restore()
        super().update_layer(adapter_name, *args, **settings)

    def delete_adapter(self, adapter_name: str) -> None:
        """Forget an adapter."""
        self.restore()
        super().delete_adapter(adapter_name)

    def _can_write(self, adapter: str) -> bool:
        base = self.get_base_layer()
        return (
            not self.shared
            and type(base) is nn.Linear
            and "forward" not in vars(base)
            and not base._forward_hooks
            and not base._forward_pre_hooks
            and type(base.weight) is nn.Parameter
            and not base.weight.requires_grad
            and base.weight.is_floating_point()
            and base.weight.is_contiguous()
            and isinstance(self.where(adapter), Geometry)
        )

    @torch.no_grad()
    def write(self, adapter: str) -> None:
        """Put the update of one adapter into the weight."""
        where, weight = self.where(adapter), self.get_base_layer().weight
        assert isinstance(where, Geometry)
        spectrum, scaling = self.waveft_spectrum[adapter], self.waveft_scaling[adapter]
        if self._written != adapter:
            self.restore()
            self.originals = weight.view(-1).index_select(0, where.touched)
            self._written = adapter
        elif self._holds(scaling, spectrum):
            return
        # Through .data the version does not count up: between two forward passes of one step the
        # same values are written, and the first one's backward is still right. If an optimizer
        # steps in between, the coefficients that `WrittenLinear` saves complain.
        write_update(weight.data, self.originals, where, spectrum, scaling)
        if not spectrum.is_cuda:
            self._values = scaling, spectrum.detach().clone()

    def _holds(self, scaling: float, spectrum: Tensor) -> bool:
        """Whether the very same update is in the weight; on CUDA asking would make the host wait.

        The version of the coefficients does not tell: a fused optimizer leaves it as it is.
        """
        if self._values is None or spectrum.is_cuda or self._values[0] != scaling:
            return False
        return torch.equal(self._values[1], spectrum)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the original entries back into the weight, bit for bit."""
        if self._written is not None:
            where = self.where(self._written)
            assert isinstance(where, Geometry)
            weight = self.get_base_layer().weight
            weight.data.view(-1).index_copy_(0, where.touched, self.originals)
            self.originals, self._written, self._values = None, None, None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "WaveFTLinear":
        if not self.merged:
            self.restore()  # so that it is the original weight that is moved or rounded
        moved: WaveFTLinear = super()._apply(fn, recurse)
        self._hold(self.get_base_layer())
        return moved

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(
        self, x: Float[Tensor, "*tokens in"], *args: Any, **kwargs: Any
    ) -> Float[Tensor, "*tokens out"]:
        """The Linear with the update in it."""
        adapters = [] if self.disable_adapters else self._known(self.active_adapters)
        if self.disable_adapters and self.merged:
            self.unmerge()
        if self.merged or len(adapters) != 1 or not self._can_write(adapters[0]):
            return self._beside(x, [] if self.merged else adapters, args, kwargs)
        [adapter] = adapters
        self.write(adapter)
        base, spectrum = self.get_base_layer(), self.waveft_spectrum[adapter]
        if not (torch.is_grad_enabled() and spectrum.requires_grad):
            return F.linear(x, base.weight, base.bias)
        x, weight, bias = as_autocast(x, base.weight.detach(), base.bias)
        result: Tensor = WrittenLinear.apply(  # type: ignore[no-untyped-call]
            x, weight, bias, spectrum, self.where(adapter), self.waveft_scaling[adapter]
        )
        return result

    def _beside(
        self, x: Tensor, adapters: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        if not self.merged:
            self.restore()
        result: Tensor = self.base_layer(x, *args, **kwargs)
        for adapter in adapters:
            spectrum, scaling = self.waveft_spectrum[adapter], self.waveft_scaling[adapter]
            update = SparseProduct.apply(  # type: ignore[no-untyped-call]
                x, spectrum, self.where(adapter), scaling
            )
            result = result + update.to(result.dtype)
        return result

    def enable_adapters(self, enabled: bool) -> None:
        """Switch the update on or off; off, the weight holds its originals."""
        if not enabled and not self.merged:
            self.restore()
        super().enable_adapters(enabled)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Leave the update in the weight, where `unmerge` finds it.

        Raises:
            ValueError: the weight is quantised or shared, or would not be finite.
        """
        names = self._known(check_adapters_to_merge(self, adapter_names))
        if not names:
            return
        weight = getattr(self.get_base_layer(), "weight", None)
        if not isinstance(weight, Tensor) or not weight.is_floating_point():
            raise ValueError("the weight is quantised: an update cannot be merged into it")
        if self.shared:
            raise ValueError("the weight is shared: merging would change it for others, too")
        if len(names) == 1 and not self.merged and self._can_write(names[0]):
            self.write(names[0])
        else:
            self._merge_whole(weight, names)
        self.merged_adapters.extend(names)
        if safe_merge and not torch.isfinite(weight).all():
            self.unmerge()
            raise ValueError(f"merging {', '.join(names)} gives values that are not finite")

    @torch.no_grad()
    def _merge_whole(self, weight: Tensor, names: list[str]) -> None:
        if not self.merged:
            self.restore()
        if self._whole is None:
            self._whole = weight.detach().clone()
        total = sum(self.get_delta_weight(name).to(weight.device) for name in names)
        assert isinstance(total, Tensor)
        total = total.T if self.fan_in_fan_out else total
        weight.data.copy_((weight.to(total.dtype) + total).to(weight.dtype))

    def unmerge(self) -> None:
        """Take merged updates out again, bit for bit."""
        if self._whole is not None:
            self.get_base_layer().weight.data.copy_(self._whole)
            self._whole = None
        self.merged_adapters.clear()
        self.restore()

    def unload_and_optionally_merge_module(
        self, merge: bool, safe_merge: bool, adapter_names: list[str] | None
    ) -> nn.Module:
        """The Linear alone again, with the update or as it was."""
        if merge:
            self.merge(safe_merge, adapter_names)
        elif not self.merged:
            self.restore()
        base: nn.Module = self.get_base_layer()
        weight = getattr(base, "weight", None)
        if isinstance(weight, Tensor) and weight in _holders:
            _holders[weight].discard(self)
        return base


def _restore_before_loading(module: WaveFTLinear, *_: Any) -> None:
    module.restore()


def _put_originals(
    module: WaveFTLinear, state_dict: dict[str, Tensor], prefix: str, _: Any
) -> None:
    """A saved base weight is the original one, or an adapter on top of it would count twice."""
    if module._written is not None and not module.merged:
        key = f"{prefix}base_layer.weight"
        weight = state_dict[key].detach().clone()
        where = module.where(module._written)
        assert isinstance(where, Geometry)
        weight.view(-1).index_copy_(0, where.touched, module.originals)
        state_dict[key] = weight
