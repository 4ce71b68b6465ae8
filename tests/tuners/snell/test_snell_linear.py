"""A SNELL layer can be switched, doubled, merged and taken away, and its base is left as it was."""

import copy

import jaxtyping
import peft
import pytest
import torch
from torch import Tensor, nn

from sparse_peft.tuners.snell.linear import SnellLinear, drop_path
from sparse_peft.tuners.snell.model import SnellConfig
from sparse_peft.tuners.snell.settings import SnellSettings

SETTINGS = SnellSettings(rank=4, sparsity=0.5, form="code", dropout=0.0, drop_path=0.0)


def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 11, bias=False)).to(dtype)


def config(**settings) -> SnellConfig:
    return SnellConfig(**{"r": 4, "sparsity": 0.5, "target_modules": ["0", "2"], **settings})


def tuned(dtype: torch.dtype = torch.float32, **settings) -> peft.PeftModel:
    torch.manual_seed(1)
    return peft.get_peft_model(net(dtype), config(**settings))


def doubled(dtype: torch.dtype = torch.float32) -> peft.PeftModel:
    """With a second adapter on the first layer, both active."""
    model = tuned(dtype)
    model.add_adapter("second", config(r=2, target_modules=["0"], form="paper"))
    model.base_model.set_adapter(["default", "second"])
    return model


def inputs(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(5, 9, 13, generator=torch.Generator().manual_seed(3)).to(dtype)


def layers(model: nn.Module) -> list[SnellLinear]:
    return [module for module in model.modules() if isinstance(module, SnellLinear)]


def is_base(model: nn.Module) -> bool:
    """Whether all base weights hold the bits that they had."""
    dtype = layers(model)[0].base_layer.weight.dtype
    pairs = zip(layers(model), (net(dtype)[0], net(dtype)[2]), strict=True)
    return all(torch.equal(layer.base_layer.weight, plain.weight) for layer, plain in pairs)


def test_a_step_leaves_the_base_weight_alone():
    model = tuned()
    model(inputs()).sum().backward()
    assert is_base(model)


def test_off_or_unloaded_the_base_is_there_bit_for_bit():
    model, base = tuned(), net()
    changed = model(inputs())
    assert not torch.equal(changed, base(inputs()))
    with model.disable_adapter():
        assert torch.equal(model(inputs()), base(inputs()))
    assert torch.equal(model(inputs()), changed)
    alone = model.unload()
    assert torch.equal(alone(inputs()), base(inputs()))
    assert type(alone[0]) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merged_the_output_has_the_same_bits_and_unmerged_the_weight_has(dtype):
    model = tuned(dtype)
    before = model(inputs(dtype))
    model.merge_adapter(safe_merge=True)
    assert not is_base(model)
    assert torch.equal(model(inputs(dtype)), before)
    model.unmerge_adapter()
    assert is_base(model)
    assert torch.equal(model(inputs(dtype)), before)
    assert torch.equal(model.merge_and_unload()(inputs(dtype)), before)


def test_a_half_precision_weight_is_rounded_once_from_the_exact_sum():
    model = doubled(torch.bfloat16)
    first = layers(model)[0]
    exact = first.base_layer.weight.float()
    for name in ("default", "second"):
        exact = exact + first.get_delta_weight(name)
    model.merge_adapter()
    torch.testing.assert_close(first.base_layer.weight, exact.bfloat16(), rtol=0, atol=0)
    model.unmerge_adapter()
    assert is_base(model)


def test_adapters_merged_one_after_another_are_merged_as_together():
    together, in_turn = doubled(), doubled()
    before = together(inputs())
    together.merge_adapter()
    in_turn.merge_adapter(["default"])
    with pytest.warns(UserWarning, match="additionally merging second"):
        in_turn.merge_adapter(["second"])
    assert layers(in_turn)[0].merged_adapters == ["default", "second"]
    assert layers(in_turn)[1].merged_adapters == ["default"]
    assert torch.equal(together(inputs()), in_turn(inputs()))
    torch.testing.assert_close(together(inputs()), before, rtol=1e-5, atol=1e-6)
    in_turn.unmerge_adapter()
    assert is_base(in_turn)


def test_several_active_adapters_add_up_and_each_learns():
    model = doubled(torch.float64)
    first = layers(model)[0]
    weight = sum(first.get_delta_weight(n) for n in ("default", "second")) + first.weight
    expected = nn.functional.linear(inputs(torch.float64), weight, first.bias)
    torch.testing.assert_close(first(inputs(torch.float64)), expected)
    model(inputs(torch.float64)).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for n, p in model.named_parameters() if "snell_" in n)


def test_one_of_several_can_be_chosen_and_deleted():
    model, alone = doubled(), tuned()
    model.set_adapter("default")
    assert torch.equal(model(inputs()), alone(inputs()))
    frozen = [n for n, p in model.named_parameters() if ".second" in n and p.requires_grad]
    assert frozen == []
    model.delete_adapter("second")
    assert torch.equal(model(inputs()), alone(inputs()))
    assert not any("second" in name for name in model.state_dict())


def test_disabling_what_is_merged_takes_it_out():
    model = doubled()
    model.merge_adapter()
    with model.disable_adapter():
        assert torch.equal(model(inputs()), net()(inputs()))
    assert is_base(model)
    assert layers(model)[0].merged_adapters == []


def test_an_adapter_of_the_same_name_starts_anew_from_the_base():
    [layer, _] = layers(tuned())
    before = layer.snell_A["default"].clone()
    layer.merge()
    layer.update_layer("default", SETTINGS, splits=2)
    assert not layer.merged
    assert torch.equal(layer.base_layer.weight, net()[0].weight)
    assert layer.snell_A["default"].shape == (2, *before.shape)


def test_unmerging_nothing_says_so():
    with pytest.warns(UserWarning, match="nothing is merged"):
        layers(tuned())[0].unmerge()


def test_merging_what_is_not_finite_is_refused():
    model = tuned()
    with torch.no_grad():
        layers(model)[0].snell_B["default"][0, 0, 0] = float("inf")
    with pytest.raises(ValueError, match="not finite"):
        model.merge_adapter(safe_merge=True)
    assert is_base(model)


def test_a_weight_of_whole_numbers_is_tuned_and_not_merged():
    class Whole(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(x, self.weight.float(), self.bias)

    base = Whole(13, 24).requires_grad_(False)
    base.weight = nn.Parameter(torch.ones(24, 13, dtype=torch.int8), requires_grad=False)
    layer = SnellLinear(base, "default", SETTINGS, splits=1)
    x = inputs()
    layer(x).sum().backward()
    expected = base(x) + x @ layer.get_delta_weight("default").T
    torch.testing.assert_close(layer(x), expected)
    with pytest.raises(TypeError, match=r"torch\.int8 cannot take an update"):
        layer.merge()


def test_a_copied_layer_is_its_own_and_a_saved_state_holds_base_and_factors():
    model = tuned()
    other = copy.deepcopy(model)
    with torch.no_grad():
        layers(other)[0].snell_A["default"].mul_(3)
    assert not torch.equal(other(inputs()), model(inputs()))
    state = model.state_dict()
    assert not any("originals" in name for name in state)
    other.load_state_dict(state)
    assert torch.equal(other(inputs()), model(inputs()))


def test_dropout_zeroes_its_share_of_the_input_and_keeps_the_mean():
    [layer, _] = layers(tuned(dropout=0.25))
    layer.base_layer.weight.zero_()
    layer.base_layer.bias.zero_()
    x = torch.zeros(20_000, 13)
    x[:, 5] = 1
    torch.manual_seed(0)
    update = layer.get_delta_weight("default")[:, 5]
    y = layer(x)
    kept = y.abs().sum(1) > 0
    assert kept.float().mean() == pytest.approx(0.75, abs=0.015)  # five standard deviations
    torch.testing.assert_close(y[kept][0], update / 0.75)
    torch.testing.assert_close(y.mean(0), update, rtol=0.03, atol=0)


def test_dropout_is_the_same_in_both_passes():
    [layer, _] = layers(tuned(torch.float64, dropout=0.5, sparsity=0.0))
    x = inputs(torch.float64).requires_grad_()
    y = layer(x)
    dy = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))
    y.backward(dy)
    # y and both gradients are those of one mask: x . dx is dy . y where the bias is left out.
    branch = y - nn.functional.linear(x, layer.weight, layer.bias)
    through = x.grad - dy @ layer.weight
    torch.testing.assert_close((x * through).sum(), (dy * branch).sum())
    masked = nn.Parameter(torch.zeros_like(layer.weight))
    mask = (through.abs() > 1e-12).to(x.dtype)
    assert 0.4 < mask.mean() < 0.6
    nn.functional.linear(x.detach() * mask * 2, masked).backward(dy)
    merged = layer.get_delta_weight("default")
    torch.testing.assert_close((x * mask * 2) @ merged.T, branch)
    factors = [layer.snell_A["default"], layer.snell_B["default"]]
    change = [torch.randn(f.shape, dtype=f.dtype) * 1e-6 for f in factors]
    expected = sum(float((f.grad * c).sum()) for f, c in zip(factors, change, strict=True))
    with torch.no_grad():
        for factor, move in zip(factors, change, strict=True):
            factor.add_(move)
    found = ((layer.get_delta_weight("default") - merged) * masked.grad).sum()
    assert float(found) == pytest.approx(expected, rel=1e-3)


def test_drop_path_leaves_out_whole_samples_and_keeps_the_mean():
    y = torch.ones(20_000, 2, 3)
    torch.manual_seed(0)
    found = drop_path(y, 0.25)
    kept = found[:, 0, 0] > 0
    assert kept.float().mean() == pytest.approx(0.75, abs=0.015)
    assert torch.equal(found, kept.float().view(-1, 1, 1) / 0.75 * y)
    assert drop_path(y, 0.0) is y
    assert drop_path(torch.ones(4, dtype=torch.bfloat16), 0.5).dtype == torch.bfloat16


def test_a_dropped_path_leaves_the_base_alone():
    model = tuned(drop_path=0.5, target_modules=["0"])
    first, base = layers(model)[0], net()[0]
    torch.manual_seed(4)
    same = (first(inputs()) == base(inputs())).flatten(1).all(1)
    assert 0 < same.sum() < len(same)


def test_at_rest_nothing_is_dropped():
    model, without = tuned(dropout=0.5, drop_path=0.5).eval(), tuned()
    assert torch.equal(model(inputs()), without(inputs()))


def test_under_autocast_and_at_rest_the_update_has_a_product_of_its_own():
    [layer, _] = layers(tuned())
    assert layer._folds("default", inputs())
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer._folds("default", inputs())
        assert layer(inputs()).dtype == torch.bfloat16
    assert not layer._folds("default", inputs().double())


@pytest.mark.slow
# The compiler asks each tensor for its gradient where it leaves the layer to itself.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_the_output_is_the_same(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it cannot be compiled
    model = tuned()
    compiled = torch.compile(model, backend="eager")
    assert torch.equal(compiled(inputs()), model(inputs()))
    compiled(inputs()).sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.gpu
def test_a_step_on_cuda_waits_for_nothing_and_equals_the_cpu():
    for settings in ({}, {"form": "paper"}, {"sparsity": 0.0}, {"fused_splits": {"0": 3}}):
        model = tuned(**settings)
        model(inputs()).square().mean().backward()
        expected = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        model.cuda()
        x = inputs().cuda()
        model(x)
        torch.cuda.set_sync_debug_mode("error")
        model(x).square().mean().backward()
        torch.cuda.set_sync_debug_mode("default")
        found = [p.grad.cpu() for p in model.parameters() if p.grad is not None]
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-5)
