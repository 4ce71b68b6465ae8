"""A Linear with SNELL's update."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor, nn

from sparse_peft.maths.snell.kernel_merge import rounds_products
from sparse_peft.tuners.precision import product_type
from sparse_peft.tuners.snell.product import SnellProduct, exact_type, split_update
from sparse_peft.tuners.snell.settings import SLABS, SnellSettings


class SnellLinear(nn.Module, BaseTunerLayer):  # type: ignore[misc]
    """A Linear beside which SNELL's factors are trained; its weight stays as it is.

    A single adapter without dropout and DropPath is added to the weight in passing, before the
    product. Otherwise the update has a product of its own. At rest nothing is dropped.
    """

    adapter_layer_names = ("snell_A", "snell_B")
    other_param_names = ("snell_settings",)
    originals: Float[Tensor, "out in"] | None
    """The base weight while something is merged."""

    # PEFT's, for the type checker, which does not look into it
    active_adapters: list[str]
    disable_adapters: bool
    get_base_layer: Callable[[], nn.Linear]
    merged: bool
    set_adapter: Callable[..., None]

    def __init__(
        self,
        base_layer: nn.Module,
        adapter_name: str,
        settings: SnellSettings,
        splits: int,
        inference_mode: bool = False,
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.snell_A = nn.ParameterDict()
        self.snell_B = nn.ParameterDict()
        self.snell_settings: dict[str, SnellSettings] = {}
        self.shared = False  # whether other modules use the weight
        self.register_buffer("originals", None, persistent=False)
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        base = self.get_base_layer()
        self.in_features, self.out_features = base.in_features, base.out_features
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, settings, splits, inference_mode)

    def update_layer(
        self, adapter_name: str, settings: SnellSettings, splits: int, inference_mode: bool = False
    ) -> None:
        """Add an adapter, or start one anew.

        Args:
            splits: equal parts of the outputs, each with factors and a threshold of its own.

        Raises:
            ValueError: the outputs cannot be split so.
            SpecError: the sparsity leaves nothing.
        """
        if self.out_features % splits:
            raise ValueError(f"{self.out_features} outputs are not {splits} equal parts")
        settings.competition.survivors(self.out_features // splits * self.in_features)
        if adapter_name in self.merged_adapters:
            self.unmerge()
        self.snell_settings[adapter_name] = settings
        shapes = factor_shapes((self.out_features, self.in_features), settings.rank, splits)
        for factors, shape in zip((self.snell_A, self.snell_B), shapes, strict=True):
            values = torch.empty(shape, dtype=torch.float32)
            # what kaiming_uniform_(a=sqrt(5)) comes to there
            bound = (shape[-2] * shape[-1]) ** -0.5
            factors[adapter_name] = nn.Parameter(values.uniform_(-bound, bound))
        self._move_adapter_to_device_of_base_layer(adapter_name)
        self.set_adapter(self.active_adapters, inference_mode=inference_mode)

    def _move_adapter_to_device_of_base_layer(
        self, adapter_name: str, device: torch.device | None = None
    ) -> None:
        """Move factors to where the weight is, without PEFT's rounding to a half weight's type."""
        weight = self.get_base_layer().weight
        kind = exact_type(weight) if weight.is_floating_point() else torch.float32
        for factors in (self.snell_A, self.snell_B):
            factor = factors[adapter_name]
            if not factor.is_meta:
                moved = factor.data.to(device or weight.device, kind)
                factors[adapter_name] = nn.Parameter(moved, factor.requires_grad)

    def _factors(self, adapter: str) -> tuple[Tensor, Tensor]:
        """Both factors, with a dimension for the splits."""
        a, b = self.snell_A[adapter], self.snell_B[adapter]
        single = len(a.shape) == len(("slab", "position", "coordinate"))
        return (a[None], b[None]) if single else (a, b)

    @torch.no_grad()
    def get_delta_weight(self, adapter: str) -> Float[Tensor, "out in"]:
        """The whole update."""
        competition = self.snell_settings[adapter].competition
        update: Tensor = split_update(*self._factors(adapter), competition)[0]
        return update

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:  # noqa: ARG002
        """Yes: the update is added to the weight."""
        return True

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(
        self, x: Float[Tensor, "*tokens in"], *args: Any, **kwargs: Any
    ) -> Float[Tensor, "*tokens out"]:
        """The Linear with the updates of the active adapters."""
        if self.disable_adapters and self.merged:
            self.unmerge()
        active = [name for name in self.active_adapters if name in self.snell_A]
        if self.disable_adapters or self.merged:
            active = []
        if len(active) == 1 and self._folds(active[0], x):
            base = self.get_base_layer()
            return self._product(x, active[0], base.weight, base.bias)
        result: Tensor = self.base_layer(x, *args, **kwargs)
        for name in active:
            result = result + self._branch(name, x).to(result.dtype)
        return result

    def _folds(self, adapter: str, x: Tensor) -> bool:
        """Whether update and weight are added before the product."""
        settings, weight = self.snell_settings[adapter], self.get_base_layer().weight
        if self.training and (settings.dropout or settings.drop_path):
            return False
        if type(self.base_layer) is not nn.Linear or weight.requires_grad:
            return False
        # With few digits an update is often less than the last one of the weight.
        exact = product_type(x) == torch.float64
        exact |= product_type(x) == torch.float32 and not rounds_products(x.device)
        same = x.dtype == weight.dtype == exact_type(self.snell_A[adapter])
        return exact and same and x.device == weight.device

    def _branch(self, adapter: str, x: Tensor) -> Tensor:
        """The product of the input and the update alone."""
        settings = self.snell_settings[adapter]
        share = settings.dropout if self.training else 0.0
        mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - share) if share else None
        x = x.to(product_type(x))
        y = self._product(x, adapter, mask=mask, scale=1 / (1 - share))
        return drop_path(y, settings.drop_path) if self.training else y

    def _product(
        self,
        x: Tensor,
        adapter: str,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        mask: Tensor | None = None,
        scale: float = 1.0,
    ) -> Tensor:
        competition = self.snell_settings[adapter].competition
        product: Tensor = SnellProduct.apply(  # type: ignore[no-untyped-call]
            x, *self._factors(adapter), competition, weight, bias, mask, scale
        )
        return product

    @torch.no_grad()
    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add updates to the weight, whose original is kept for `unmerge`.

        Raises:
            TypeError: the weight is quantised.
            ValueError: it is shared, or would not be finite.
        """
        names = [n for n in check_adapters_to_merge(self, adapter_names) if n in self.snell_A]
        if not names:
            return
        weight = self.get_base_layer().weight
        if not weight.is_floating_point():
            raise TypeError(f"a weight of type {weight.dtype} cannot take an update in")
        if self.shared:
            raise ValueError("the weight is shared: merging would change it for others, too")
        originals = weight.detach().clone() if self.originals is None else self.originals
        total = originals
        for name in self.merged_adapters + names:
            competition = self.snell_settings[name].competition
            a, b = self._factors(name)
            total, _ = split_update(a, b, competition, total.to(exact_type(total, a, b)))
        if safe_merge and not torch.isfinite(total).all():
            raise ValueError(f"with {', '.join(names)} the weight would hold what is not finite")
        weight.data.copy_(total)
        self.originals = originals
        self.merged_adapters += names

    @torch.no_grad()
    def unmerge(self) -> None:
        """Put the original weight back, bit for bit."""
        if self.originals is None:
            warnings.warn("nothing is merged, so nothing is unmerged", stacklevel=2)
            return
        self.get_base_layer().weight.data.copy_(self.originals)
        self.originals = None
        self.merged_adapters = []

    def __repr__(self) -> str:
        return "snell." + super().__repr__()


def factor_shapes(
    shape: tuple[int, int], rank: int, splits: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Those of both factors of a weight of this shape, as they are kept and saved."""
    out, into = shape
    fused = (splits,) if splits > 1 else ()
    half = rank // SLABS
    return (*fused, SLABS, into, half), (*fused, SLABS, out // splits, half)


def drop_path(y: Float[Tensor, " samples *rest"], share: float) -> Float[Tensor, " samples *rest"]:
    """Zero for a random share of the samples; the others grow so that the mean stays.

    Source: Huang et al. 2016, arXiv:1603.09382, as timm's `DropPath` has it.
    """
    if share == 0:
        return y
    kept = torch.rand(len(y), *[1] * (y.dim() - 1), device=y.device) >= share
    return y * (kept.to(y.dtype) / (1 - share))
