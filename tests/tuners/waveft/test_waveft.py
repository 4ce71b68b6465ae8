import copy
import json

import peft
import pytest
import torch
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.waveft import WaveFTModel as PeftWaveFTModel
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparse_peft.errors import SpecError
from sparse_peft.maths.wavelets.filters import PEFT_FAMILIES
from sparse_peft.tuners.opening import load
from sparse_peft.tuners.waveft.model import WaveFTConfig, WaveFTLinear, WaveFTModel

SIZES = (13, 24, 11)


def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = nn.Linear(*SIZES[:2]), nn.Linear(*SIZES[1:], bias=False)
    return nn.Sequential(first, nn.Tanh(), second).to(dtype)


def pair(**settings) -> tuple[peft.PeftModel, peft.PeftModel]:
    """The same network under our layers and under PEFT's, with the same coefficients."""
    settings = {"n_frequency": 40, "target_modules": ["0", "2"], **settings}
    ours = peft.get_peft_model(net(), WaveFTConfig(**settings))
    theirs = peft.get_peft_model(net(), peft.WaveFTConfig(**settings))
    fill(ours)
    fill(theirs)
    return ours, theirs


def fill(model: nn.Module, size: float = 0.02) -> None:
    generator = torch.Generator().manual_seed(2)
    for name, param in model.named_parameters():
        if "waveft_" in name:
            param.data = torch.randn(param.shape, generator=generator).to(param) * size


def inputs(tokens: int = 9) -> Tensor:
    return torch.randn(2, tokens, SIZES[0], generator=torch.Generator().manual_seed(3))


def layers(model: nn.Module) -> list[WaveFTLinear]:
    return [module for module in model.modules() if isinstance(module, WaveFTLinear)]


def coefficients(model: nn.Module) -> list[nn.Parameter]:
    return [param for name, param in model.named_parameters() if "waveft_" in name]


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_outputs_and_gradients_are_those_of_peft(family):
    ours, theirs = pair(wavelet_family=family)
    x, y = inputs().requires_grad_(), inputs().requires_grad_()
    torch.testing.assert_close(ours(x), theirs(y), rtol=1e-4, atol=1e-5)
    ours(x).square().sum().backward()
    theirs(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-3, atol=1e-4)
    for left, right in zip(coefficients(ours), coefficients(theirs), strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("family", ["db1", "db3", "sym5", "coif2"])
def test_updates_are_those_of_peft(family):
    for left, right in zip(*(tuners(m) for m in pair(wavelet_family=family)), strict=True):
        delta = right.get_delta_weight("default")
        torch.testing.assert_close(left.get_delta_weight("default"), delta, rtol=0, atol=1e-6)


def tuners(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if hasattr(m, "waveft_spectrum")]


@pytest.mark.parametrize("family", ["db1", "db2", "db4", "sym2", "sym4", "sym8", "coif1"])
def test_forty_steps_of_adamw_follow_peft_with_accumulation(family):
    ours, theirs = pair(wavelet_family=family, proportional_parameters=True, scaling=1.0)
    optimizers = [torch.optim.AdamW(coefficients(m), lr=1e-3) for m in (ours, theirs)]
    for _ in range(40):
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            for half in inputs().split(1):
                (model(half) - 0.3).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    for left, right in zip(coefficients(ours), coefficients(theirs), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours(inputs()), theirs(inputs()), rtol=0, atol=1e-6)
    sizes = [[p.numel() for p in coefficients(m)] for m in (ours, theirs)]
    assert sizes[0] == sizes[1] == [43, 37]


def test_peft_opens_what_we_save_and_we_open_what_peft_saves(tmp_path):
    ours, theirs = pair(n_frequency_pattern={"2": 5})
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    saved = [
        json.loads((tmp_path / n / "adapter_config.json").read_text()) for n in ("ours", "theirs")
    ]
    assert saved[0]["peft_type"] == "WAVEFT"
    assert {**saved[0], "target_modules": None} == {**saved[1], "target_modules": None}
    files = [load_file(tmp_path / n / "adapter_model.safetensors") for n in ("ours", "theirs")]
    assert files[0].keys() == files[1].keys()
    assert "base_model.model.0.waveft_spectrum" in files[0]

    plain = peft.PeftModel.from_pretrained(net(), tmp_path / "ours")
    assert not layers(plain)
    fast = load(net(), str(tmp_path / "theirs"))
    assert len(layers(fast)) == 2
    with torch.no_grad():
        torch.testing.assert_close(plain(inputs()), ours(inputs()))
        torch.testing.assert_close(fast(inputs()), theirs(inputs()))


def test_load_refuses_an_adapter_of_another_kind(tmp_path):
    peft.get_peft_model(net(), peft.LoraConfig(target_modules=["0"])).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="LORA"):
        load(net(), str(tmp_path))


def test_the_mapping_of_peft_stays_its_own():
    assert PEFT_TYPE_TO_TUNER_MAPPING["WAVEFT"] is PeftWaveFTModel
    assert PEFT_TYPE_TO_TUNER_MAPPING[peft.PeftType.WAVEFT] is PeftWaveFTModel
    for config in (WaveFTConfig(), copy.deepcopy(WaveFTConfig(per_layer_seed=True))):
        assert PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type] is WaveFTModel


def test_off_or_unloaded_the_base_is_there_bit_for_bit():
    base = net()
    model = peft.get_peft_model(net(), WaveFTConfig(n_frequency=40, target_modules=["0", "2"]))
    fill(model)
    changed = model(inputs())
    with model.disable_adapter():
        assert torch.equal(model(inputs()), base(inputs()))
        assert torch.equal(layers(model)[0].base_layer.weight, base[0].weight)
    assert torch.equal(model(inputs()), changed)
    plain = model.unload()
    assert torch.equal(plain[0].weight, base[0].weight)
    assert torch.equal(plain[2].weight, base[2].weight)
    assert type(plain[0]) is nn.Linear


def test_merging_and_unmerging_is_exact():
    for dtype in (torch.float32, torch.bfloat16):
        base, model = (
            net(dtype),
            peft.get_peft_model(
                net(dtype), WaveFTConfig(n_frequency=40, target_modules=["0", "2"])
            ),
        )
        fill(model)
        before = model(inputs().to(dtype))
        model.merge_adapter(safe_merge=True)
        assert torch.equal(model(inputs().to(dtype)), before)
        model.unmerge_adapter()
        assert torch.equal(layers(model)[0].base_layer.weight, base[0].weight)
        merged = model.merge_and_unload()
        assert torch.equal(merged(inputs().to(dtype)), before)


def test_merging_what_is_not_finite_is_refused():
    model = peft.get_peft_model(net(), WaveFTConfig(n_frequency=4, target_modules=["0"]))
    fill(model, float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        model.merge_adapter(safe_merge=True)
    assert torch.equal(layers(model)[0].base_layer.weight, net()[0].weight)


def test_a_low_precision_weight_is_rounded_from_the_exact_sum():
    model = peft.get_peft_model(
        net(torch.bfloat16), WaveFTConfig(n_frequency=40, target_modules=["0"])
    )
    fill(model)
    assert coefficients(model)[0].dtype == torch.float32
    [layer] = layers(model)
    model(inputs().bfloat16()).sum().backward()
    exact = net(torch.bfloat16)[0].weight.float() + layer.get_delta_weight("default")
    assert torch.equal(layer.base_layer.weight, exact.bfloat16())
    assert coefficients(model)[0].grad.dtype == torch.float32


def test_two_forwards_and_checkpointing_before_one_backward_are_right():
    ours, theirs = pair()
    for model in (ours, theirs):
        a, b = inputs().split(1)
        again = checkpoint(model, a, use_reentrant=False)
        (model(a).sum() + model(b).square().sum() + again.mean()).backward()
    for left, right in zip(coefficients(ours), coefficients(theirs), strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-3, atol=1e-3)


def test_a_step_between_forward_and_backward_is_an_error():
    model, _ = pair()
    y = model(inputs())
    with torch.no_grad():
        coefficients(model)[0].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_saved_base_weight_is_the_original_and_loading_keeps_the_update():
    model, _ = pair()
    before = model(inputs())
    state = model.state_dict()
    assert torch.equal(state["base_model.model.0.base_layer.weight"], net()[0].weight)
    assert not any("originals" in key for key in state)
    model.load_state_dict(state)
    assert torch.equal(model(inputs()), before)
    model.unload()
    assert torch.equal(model.base_model.model[0].weight, net()[0].weight)


def test_several_active_adapters_add_up_as_in_peft():
    models = pair()
    for model, kind in zip(models, (WaveFTConfig, peft.WaveFTConfig), strict=True):
        second = kind(n_frequency=7, target_modules=["0"], random_loc_seed=5)
        model.add_adapter("second", second)
        fill(model)
        model.base_model.set_adapter(["default", "second"])
    torch.testing.assert_close(models[0](inputs()), models[1](inputs()))
    for model in models:
        model.set_adapter("second")
    torch.testing.assert_close(models[0](inputs()), models[1](inputs()))
    for model in models:
        model.set_adapter("default")
        model.delete_adapter("second")
    torch.testing.assert_close(models[0](inputs()), models[1](inputs()))
    assert torch.equal(models[0].unload()[0].weight, net()[0].weight)


def test_without_the_wavelet_transform_it_is_what_peft_does():
    ours, theirs = pair(use_idwt=False)
    torch.testing.assert_close(ours(inputs()), theirs(inputs()))


def test_autocast_gives_the_type_of_a_linear_and_nearly_the_exact_gradients():
    models = pair()
    for model, half in zip(models, (True, False), strict=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = model(inputs(64))
        assert y.dtype == (torch.bfloat16 if half else torch.float32)
        y.float().square().mean().backward()
    for left, right in zip(*map(coefficients, models), strict=True):
        assert (left.grad - right.grad).norm() < 0.02 * right.grad.norm()


def test_no_matrix_of_the_size_of_the_weight_is_made_in_a_step():
    model = peft.get_peft_model(net(), WaveFTConfig(n_frequency=5, target_modules=["0", "2"]))
    model(inputs(3))
    shapes = {(24, 13), (13, 24), (11, 24), (24, 11), (24 * 13,), (24 * 11,)}
    made: list[Tensor] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            results = result if isinstance(result, tuple | list) else [result]
            made.extend(r for r in results if isinstance(r, Tensor))
            return result

    weights = {layer.base_layer.weight.data_ptr() for layer in layers(model)}
    with Watch():
        model(inputs(3)).sum().backward()
    fresh = {tuple(r.shape) for r in made if r.data_ptr() not in weights}
    assert fresh
    assert not fresh & shapes


def test_an_unknown_family_is_refused():
    with pytest.raises(SpecError, match="coif18"):
        WaveFTConfig(wavelet_family="coif18")


@pytest.mark.gpu
def test_a_step_on_cuda_waits_for_nothing_and_equals_the_cpu():
    model, _ = pair()
    model(inputs()).square().mean().backward()
    expected = [param.grad.clone() for param in coefficients(model)]
    model.zero_grad()
    model.cuda()
    x = inputs().cuda()
    model(x)
    torch.cuda.set_sync_debug_mode("error")
    model(x).square().mean().backward()
    torch.cuda.set_sync_debug_mode("default")
    for param, gradient in zip(coefficients(model), expected, strict=True):
        torch.testing.assert_close(param.grad.cpu(), gradient, rtol=1e-2, atol=1e-3)
