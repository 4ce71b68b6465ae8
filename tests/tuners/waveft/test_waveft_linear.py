"""The forms of the layer, and what goes beyond PEFT's own; the rest is in test_waveft.py."""

import json
import pickle
import subprocess
import sys

import peft
import pytest
import torch
from torch import Tensor, nn
from torch.profiler import profile
from torch.utils.checkpoint import checkpoint
from transformers.pytorch_utils import Conv1D

from sparse_peft.maths.wavelets.geometry import Geometry
from sparse_peft.tuners.opening import load
from sparse_peft.tuners.waveft.model import WaveFTConfig, WaveFTLinear, touched_entries
from tests.tuners.waveft.test_waveft import coefficients, fill, inputs, layers, net, pair

EXACT = ["db1", "db2", "db4", "sym2", "sym4", "sym8", "coif1"]


def tuned(model: nn.Module, size: float = 0.02, **settings) -> peft.PeftModel:
    settings = {"n_frequency": 40, "target_modules": ["0", "2"], **settings}
    found = peft.get_peft_model(model, WaveFTConfig(**settings))
    fill(found, size)
    return found


@pytest.mark.parametrize("family", [*EXACT, None])
def test_in_double_precision_outputs_and_gradients_are_those_of_peft(family):
    settings = {"use_idwt": False} if family is None else {"wavelet_family": family}
    models = []
    for kind in (WaveFTConfig, peft.WaveFTConfig):
        config = kind(n_frequency=40, target_modules=["0", "2"], scaling=1.0, **settings)
        model = peft.get_peft_model(net(torch.float64), config, autocast_adapter_dtype=False)
        for param in coefficients(model):
            param.data = param.data.double()
        fill(model)
        models.append(model)
    xs = [inputs().double().requires_grad_() for _ in models]
    ys = [model(x) for model, x in zip(models, xs, strict=True)]
    torch.testing.assert_close(*ys, rtol=0, atol=1e-12)
    for y in ys:
        y.square().sum().backward()
    torch.testing.assert_close(*(x.grad for x in xs), rtol=0, atol=1e-11)
    for left, right in zip(*map(coefficients, models), strict=True):
        assert left.grad.dtype == torch.float64
        torch.testing.assert_close(left.grad, right.grad, rtol=0, atol=1e-11)


def test_short_filters_are_written_and_long_ones_work_beside_the_weight():
    for family, written in (("db1", True), ("db38", False)):
        model = tuned(net(), wavelet_family=family)
        model(inputs())
        [first, _] = layers(model)
        assert isinstance(first.where("default"), Geometry) == written
        changed = not torch.equal(first.base_layer.weight, net()[0].weight)
        assert changed == written
        dense = first.get_delta_weight("default")
        assert int((dense != 0).sum()) <= touched_entries(first)


class Doubling(nn.Linear):
    """A Linear of its own kind, like those of quantised bases."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Rounded(nn.Linear):
    """A base whose weight is whole numbers, as bitsandbytes' is."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base.in_features, base.out_features)
        self.bias, self.scale = base.bias, base.weight.detach().abs().max() / 127
        whole = (base.weight.detach() / self.scale).round().to(torch.int8)
        self.weight = nn.Parameter(whole, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight.to(x.dtype) * self.scale, self.bias)


@pytest.mark.parametrize("family", ["db1", "db4", None])
def test_a_base_that_is_no_plain_linear_is_left_alone_and_followed(family):
    settings = {"use_idwt": False} if family is None else {"wavelet_family": family}

    def base() -> nn.Module:
        made = net()
        doubling = Doubling(24, 11, bias=False)
        doubling.load_state_dict(made[2].state_dict())
        return nn.Sequential(Rounded(made[0]), made[1], doubling)

    ours = tuned(base(), **settings)
    config = peft.WaveFTConfig(n_frequency=40, target_modules=["0", "2"], **settings)
    theirs = peft.get_peft_model(base(), config)
    fill(theirs)
    before = [layer.base_layer.weight.clone() for layer in layers(ours)]
    a, b = (inputs().requires_grad_() for _ in range(2))
    torch.testing.assert_close(ours(a), theirs(b), rtol=1e-4, atol=1e-5)
    ours(a).square().sum().backward()
    theirs(b).square().sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4)
    for left, right in zip(coefficients(ours), coefficients(theirs), strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-3, atol=1e-2)
    after = [layer.base_layer.weight for layer in layers(ours)]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    with pytest.raises(ValueError, match="quantised"):
        ours.merge_adapter()


def test_a_conv1d_is_tuned_as_peft_tunes_it():
    def base() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(Conv1D(24, 13))

    models = []
    for kind in (WaveFTConfig, peft.WaveFTConfig):
        config = kind(n_frequency=40, target_modules=["0"], fan_in_fan_out=True)
        models.append(peft.get_peft_model(base(), config))
        fill(models[-1])
    torch.testing.assert_close(models[0](inputs()), models[1](inputs()))
    plain, y = base()[0].weight, models[0](inputs())
    models[0].merge_adapter()
    torch.testing.assert_close(models[0](inputs()), y, rtol=1e-4, atol=1e-5)
    models[0].unmerge_adapter()
    assert torch.equal(layers(models[0])[0].base_layer.weight, plain)


def test_a_shared_weight_is_never_written():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.second(torch.tanh(self.first(x)))

    base = Tied()
    weight = base.first.weight.detach().clone()
    model = tuned(base, n_frequency=9, target_modules=["first"])
    [layer] = layers(model)
    x = torch.randn(5, 6)
    y = model(x)
    y.sum().backward()
    assert layer.shared
    assert torch.equal(layer.base_layer.weight, weight)
    change = layer.get_delta_weight("default")
    torch.testing.assert_close(y, torch.tanh(x @ (weight + change).T) @ weight.T)
    with pytest.raises(ValueError, match="shared"):
        model.merge_adapter()


def test_two_models_on_one_weight_do_not_disturb_each_other():
    base = net()
    other = net()
    other[0].weight = base[0].weight
    first, second = tuned(base), tuned(other, size=0.5)
    alone = tuned(net())(inputs())
    second(inputs())
    torch.testing.assert_close(first(inputs()), alone)
    assert torch.equal(layers(first)[0].base_layer.weight, net()[0].weight)
    again = tuned(tuned(net()).unload())
    assert not layers(again)[0].shared


@pytest.mark.parametrize("family", ["db1", "db38"])
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_in_both_ways_gives_the_same_gradients(family, reentrant):
    found = []
    for recomputed in (False, True):
        model = tuned(net(), wavelet_family=family)
        x = inputs().requires_grad_()
        y = checkpoint(model, x, use_reentrant=reentrant) if recomputed else model(x)
        y.square().sum().backward()
        found.append([x.grad, *(param.grad for param in coefficients(model))])
    for left, right in zip(*found, strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("family", ["db1", "db38"])
def test_under_autocast_the_gradients_are_nearly_the_exact_ones(family):
    found = []
    for half in (True, False):
        model = tuned(net(), wavelet_family=family)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = model(inputs(64))
        y.float().square().mean().backward()
        found.append(coefficients(model))
        assert y.dtype == (torch.bfloat16 if half else torch.float32)
    for left, right in zip(*found, strict=True):
        assert (left.grad - right.grad).norm() < 0.02 * right.grad.norm()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["db1", "db38"])
def test_torch_compile_leaves_the_layers_out_and_changes_nothing(family):
    eager, model = (tuned(net(), wavelet_family=family) for _ in range(2))
    quick = torch.compile(model, backend="aot_eager")
    optimizers = [torch.optim.AdamW(coefficients(m), lr=1e-2) for m in (eager, model)]
    for _ in range(3):
        for forward, optimizer in zip((eager, quick), optimizers, strict=True):
            forward(inputs()).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(quick(inputs()), eager(inputs()))
    torch._dynamo.reset()


def test_the_same_values_are_not_written_again_and_other_ones_are():
    model = tuned(net())
    [first, _] = layers(model)
    x = inputs()
    y = model(x)
    written = first.base_layer.weight.detach().clone()
    first.base_layer.weight.data.zero_()
    model(x)
    assert int((first.base_layer.weight != 0).sum()) == 0
    first.base_layer.weight.data.copy_(written)
    coefficients(model)[0].data.mul_(2)  # the version does not count up
    assert not torch.equal(model(x), y)
    coefficients(model)[0].data.mul_(0.5)
    assert torch.equal(model(x), y)


@pytest.mark.parametrize("family", ["db1", "db38"])
def test_merging_whole_or_by_entries_is_undone_bit_for_bit(family):
    for dtype in (torch.float32, torch.bfloat16):
        model = tuned(net(dtype), wavelet_family=family)
        model.add_adapter("second", WaveFTConfig(n_frequency=7, target_modules=["0"]))
        fill(model)
        x = inputs().to(dtype)
        before = model(x)
        for names in (["default"], ["default", "second"]):
            model.merge_adapter(names)
            model.unmerge_adapter()
            weights = [layer.base_layer.weight for layer in layers(model)]
            plain = [net(dtype)[0].weight, net(dtype)[2].weight]
            assert all(torch.equal(a, b) for a, b in zip(weights, plain, strict=True))
        assert torch.equal(model(x), before)


def test_moving_to_another_type_rounds_the_original_weight():
    model = tuned(net())
    model(inputs())
    model.bfloat16()
    assert torch.equal(model.unload()[0].weight, net()[0].weight.bfloat16())


def test_scales_multiply_the_update_as_diffusers_asks_for():
    model, twice = tuned(net(), scaling=25.0), tuned(net(), scaling=50.0)
    expected = model(inputs()), twice(inputs())
    for layer in layers(model):
        layer.set_scale("default", 2.0)
    assert torch.equal(model(inputs()), expected[1])
    for layer in layers(model):
        layer.set_scale("default", 1.0)
        layer.set_scale("unknown", 3.0)
        layer.scale_layer(2.0)
    assert torch.equal(model(inputs()), expected[1])
    for layer in layers(model):
        layer.unscale_layer(2.0)
    assert torch.equal(model(inputs()), expected[0])
    for layer in layers(model):
        layer.scale_layer(7.0)
        layer.unscale_layer()
    assert torch.equal(model(inputs()), expected[0])


@pytest.mark.parametrize("settings", [{"per_layer_seed": True}, {"wavelet_family": "coif4"}])
def test_what_plain_peft_would_open_otherwise_has_a_type_of_its_own(settings, tmp_path):
    square = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model = tuned(square, n_frequency=9, target_modules=["0", "1"], **settings)
    places = [layer.where("default").row_channel for layer in layers(model)]
    assert torch.equal(*places) != ("per_layer_seed" in settings)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert saved["peft_type"] == "SPARSE_PEFT_WAVEFT"
    x = torch.randn(3, 8)
    expected = model(x)
    plain = model.unload()
    assert torch.equal(load(plain, str(tmp_path))(x), expected)


@pytest.mark.slow
def test_plain_peft_refuses_that_type(tmp_path):
    tuned(net(), per_layer_seed=True).save_pretrained(tmp_path)
    code = f"import peft; peft.PeftConfig.from_pretrained({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "SPARSE_PEFT_WAVEFT" in done.stderr


def test_too_many_coefficients_for_a_layer_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 312 in this layer"):
        tuned(net(), n_frequency=313, target_modules=["0"])


def test_another_module_is_refused():
    with pytest.raises(TypeError, match="Conv2d"):
        tuned(nn.Sequential(nn.Conv2d(3, 3, 3)), target_modules=["0"])


def test_without_zeros_the_coefficients_start_small():
    model = peft.get_peft_model(
        net(), WaveFTConfig(n_frequency=300, target_modules=["0"], init_weights=False)
    )
    assert 0.008 < float(coefficients(model)[0].detach().std()) < 0.012


def test_ours_and_theirs_agree_in_every_form_of_file(tmp_path):
    ours, theirs = pair(use_idwt=False)
    ours.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == "WAVEFT"
    plain = peft.PeftModel.from_pretrained(net(), tmp_path)
    assert not any(isinstance(module, WaveFTLinear) for module in plain.modules())
    torch.testing.assert_close(plain(inputs()), theirs(inputs()))


@pytest.mark.gpu
@pytest.mark.parametrize("family", ["db1", "db4"])
def test_on_cuda_the_profiler_sees_no_wait_and_no_dense_update_in_a_step(family):
    model = tuned(
        nn.Sequential(nn.Linear(1024, 1024)), target_modules=["0"], wavelet_family=family
    ).cuda()
    optimizer = torch.optim.AdamW(coefficients(model), lr=1e-3, fused=True)
    x = torch.randn(64, 1024, device="cuda", requires_grad=True)

    def step() -> None:
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()  # compiles, and makes what stays
    torch.cuda.synchronize()
    with profile(profile_memory=True, acc_events=True) as found:
        step()
    events = found.profiler.kineto_results.events()
    names = {event.name() for event in events}
    # The profiler itself ends with a wait for the device; a wait of ours would be one of these.
    waits = {"cudaStreamSynchronize", "cudaEventSynchronize", "aten::_local_scalar_dense"}
    assert not names & waits
    assert not any("Memcpy DtoH" in name for name in names)
    sizes = [event.nbytes() for event in events if event.name() == "[memory]"]
    assert sizes
    assert max(sizes) < 1024 * 1024 * 4


@pytest.mark.parametrize("family", ["db1", "db38"])
def test_a_pickled_model_is_the_same_model(family):
    model = tuned(net(), wavelet_family=family)
    expected = model(inputs())
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again(inputs()), expected)
    state = again.state_dict()
    again.load_state_dict(state)
    assert torch.equal(again.unload()[0].weight, net()[0].weight)


def test_autocast_leaves_doubles_alone_as_it_does_in_a_plain_linear():
    model = tuned(net(torch.float64))
    x = inputs().double()
    expected = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(x), expected)
