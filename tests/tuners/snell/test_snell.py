"""SNELL under PEFT: what a plain autograd layer computes, and refusals in words."""

import peft
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparse_peft.errors import SpecError
from sparse_peft.maths.snell.competition import Competition
from sparse_peft.maths.snell.kernel_merge import plain_update
from sparse_peft.tuners.snell.model import SnellConfig, SnellLinear, surviving_entries

SIZES = (13, 24, 11)
FORMS = [(0.0, "code"), (0.5, "code"), (0.9, "code"), (0.5, "paper"), (0.9, "paper")]


def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = nn.Linear(*SIZES[:2]), nn.Linear(*SIZES[1:], bias=False)
    return nn.Sequential(first, nn.Tanh(), second).to(dtype)


def tuned(dtype: torch.dtype = torch.float32, **settings) -> peft.PeftModel:
    settings = {"r": 4, "sparsity": 0.5, "target_modules": ["0", "2"], **settings}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return peft.get_peft_model(net(dtype), SnellConfig(**settings))


def inputs(dtype: torch.dtype = torch.float32, samples: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(samples, 9, SIZES[0], generator=generator, dtype=dtype)


def layers(model: nn.Module) -> list[SnellLinear]:
    return [module for module in model.modules() if isinstance(module, SnellLinear)]


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [param for param in model.parameters() if param.requires_grad]


class Plain(nn.Module):
    """The numbers of one of our layers under nothing but autograd."""

    def __init__(self, layer: SnellLinear) -> None:
        super().__init__()
        self.base, [name] = layer.get_base_layer(), layer.active_adapters
        self.competition = layer.snell_settings[name].competition
        self.a = nn.Parameter(layer.snell_A[name].detach().clone())
        self.b = nn.Parameter(layer.snell_B[name].detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        pairs = [(self.a, self.b)] if self.a.dim() == 3 else zip(self.a, self.b, strict=True)
        update = torch.cat([plain_update(a, b, self.competition) for a, b in pairs])
        return self.base(x) + nn.functional.linear(x, update)


def plain(model: peft.PeftModel) -> nn.Module:
    modules = [Plain(m) if isinstance(m, SnellLinear) else m for m in model.base_model.model]
    return nn.Sequential(*modules)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def agree(model: peft.PeftModel, x: Tensor, tolerance: float = 1e-10) -> None:
    """Outputs and all gradients are those of plain autograd."""
    twin, other = plain(model), x.clone().requires_grad_()
    x = x.clone().requires_grad_()
    found, expected = model(x), twin(other)
    close(found, expected, tolerance)
    found.square().sum().backward()
    expected.square().sum().backward()
    close(x.grad, other.grad, tolerance)
    for ours, theirs in zip(trained(model), trained(twin), strict=True):
        close(ours.grad, theirs.grad, tolerance)


@pytest.mark.parametrize(("sparsity", "form"), FORMS)
@pytest.mark.parametrize("rank", [2, 4, 10])
def test_outputs_and_gradients_are_those_of_plain_autograd(sparsity, form, rank):
    agree(tuned(torch.float64, sparsity=sparsity, form=form, r=rank), inputs(torch.float64))


def test_beside_a_base_that_is_no_plain_linear_they_are_so_too():
    class Louder(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    model = tuned(torch.float64)
    loud = Louder(*SIZES[:2]).double().requires_grad_(False)
    layers(model)[0].base_layer = loud
    agree(model, inputs(torch.float64))


def test_a_base_that_is_trained_too_gets_its_gradient():
    model = tuned(torch.float64)
    twin = plain(model)
    for layer, other in zip(layers(model), (twin[0], twin[2]), strict=True):
        layer.base_layer.requires_grad_(True)
        assert layer.base_layer is other.base
    model(inputs(torch.float64)).square().sum().backward()
    found = [layer.base_layer.weight.grad.clone() for layer in layers(model)]
    twin.zero_grad()
    twin(inputs(torch.float64)).square().sum().backward()
    for gradient, layer in zip(found, layers(model), strict=True):
        close(gradient, layer.base_layer.weight.grad)


@pytest.mark.parametrize("form", ["code", "paper"])
def test_fused_outputs_are_split_into_equals_with_factors_and_thresholds_of_their_own(form):
    model = tuned(torch.float64, fused_splits={"0": 3}, form=form)
    first, second = layers(model)
    assert first.snell_A["default"].shape == (3, 2, 13, 2)
    assert first.snell_B["default"].shape == (3, 2, 8, 2)
    assert second.snell_A["default"].shape == (2, 24, 2)
    agree(model, inputs(torch.float64))
    kept = Competition(0.5, form).survivors(8 * 13)
    for part in first.get_delta_weight("default").chunk(3):
        assert int(part.count_nonzero()) == kept
    assert surviving_entries(first) == 3 * kept


def test_fused_splits_go_by_the_ending_of_a_path():
    config = SnellConfig(fused_splits={"qkv": 3})
    assert config.splits("qkv") == config.splits("blocks.0.attn.qkv") == 3
    assert config.splits("blocks.0.myqkv") == config.splits("qkv.proj") == 1


def test_outputs_that_cannot_be_split_evenly_are_refused():
    with pytest.raises(ValueError, match="24 outputs are not 5 equal parts"):
        tuned(fused_splits={"0": 5})


def test_factors_start_as_published_whatever_else_was_drawn():
    [layer, _] = layers(tuned(r=8))
    for factor, width in ((layer.snell_A["default"], 13), (layer.snell_B["default"], 24)):
        bound = (width * 4) ** -0.5
        assert factor.abs().max() <= bound
        assert factor.abs().max() > 0.9 * bound
        reference = torch.empty_like(factor)
        nn.init.kaiming_uniform_(reference, a=5**0.5)
        assert reference.abs().max() <= bound


def test_only_the_factors_are_trained_and_they_learn_without_a_gradient_of_the_input():
    model = tuned(dropout=0.1, drop_path=0.1)
    names = [name for name, param in model.named_parameters() if param.requires_grad]
    assert len(names) == 4
    assert all("snell_" in name for name in names)
    assert not inputs().requires_grad
    torch.manual_seed(0)  # a path may be dropped for both samples: one time in fifty
    model(inputs()).square().sum().backward()
    assert all(param.grad.abs().max() > 0 for param in trained(model))


def test_training_lowers_a_loss_and_survivors_change():
    model, wanted = tuned(r=8), torch.randn(2, 9, 11, generator=torch.Generator().manual_seed(4))
    optimizer = torch.optim.AdamW(trained(model), lr=0.1)
    [first, _] = layers(model)
    before, losses = first.get_delta_weight("default") != 0, []
    for _ in range(20):
        loss = (model(inputs()) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert not torch.equal(first.get_delta_weight("default") != 0, before)


def test_accumulated_gradients_are_those_of_the_whole():
    one, other = tuned(torch.float64), tuned(torch.float64)
    one(inputs(torch.float64)).square().sum().backward()
    for half in inputs(torch.float64).split(1):
        other(half).square().sum().backward()
    for left, right in zip(trained(one), trained(other), strict=True):
        close(left.grad, right.grad)


@pytest.mark.parametrize("reentrant", [False, True])
def test_under_activation_checkpointing_gradients_are_the_same(reentrant):
    settings = {"dropout": 0.2, "drop_path": 0.2}
    models = [tuned(**settings), tuned(**settings)]
    for model, again in zip(models, (True, False), strict=True):
        x = inputs().requires_grad_()
        with torch.random.fork_rng():
            torch.manual_seed(6)
            y = checkpoint(model, x, use_reentrant=reentrant) if again else model(x)
        y.square().sum().backward()
    for left, right in zip(*map(trained, models), strict=True):
        assert torch.equal(left.grad, right.grad)


def test_autocast_gives_the_type_of_a_linear_and_nearly_the_exact_gradients():
    models = tuned(r=8), tuned(r=8)
    for model, half in zip(models, (True, False), strict=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = model(inputs(samples=30))
        assert y.dtype == (torch.bfloat16 if half else torch.float32)
        y.float().square().mean().backward()
    for left, right in zip(*map(trained, models), strict=True):
        assert left.grad.dtype == torch.float32
        assert (left.grad - right.grad).norm() < 0.03 * right.grad.norm()


def test_under_a_half_precision_base_an_update_below_its_digits_has_effect():
    model = tuned(torch.bfloat16)
    assert all(param.dtype == torch.float32 for param in trained(model))
    [first, _] = layers(model)
    first.base_layer.weight.fill_(1.0)  # the next number of bfloat16 is 1.0078
    first.base_layer.bias.zero_()
    update = first.get_delta_weight("default")
    assert 0 < update.abs().max() < 3e-3
    x = torch.tensor([[1.0, -1.0] + [0.0] * 11], dtype=torch.bfloat16)
    expected = (update[:, :1] - update[:, 1:2]).T
    torch.testing.assert_close(first(x).float(), expected, rtol=0.02, atol=1e-7)


def test_an_odd_rank_is_refused_in_words():
    for rank in (7, 0, -2):
        with pytest.raises(SpecError, match=rf"^r is {rank}; expected an even number"):
            SnellConfig(r=rank)


@pytest.mark.parametrize("setting", ["sparsity", "dropout", "drop_path"])
def test_shares_out_of_range_are_refused(setting):
    with pytest.raises(SpecError, match=rf"{setting} is 1\.0; expected 0 to below 1"):
        SnellConfig(**{setting: 1.0})


def test_layers_are_numbered_under_names_only():
    with pytest.raises(ValueError, match="layers_to_transform"):
        SnellConfig(target_modules="0|2", layers_to_transform=[1])
    with pytest.raises(ValueError, match="layers_pattern"):
        SnellConfig(target_modules=["0"], layers_pattern="blocks")


def test_what_is_no_linear_is_refused_in_words():
    for module in (nn.Conv2d(3, 4, 1), nn.Embedding(3, 4)):
        model = nn.Sequential(module)
        with pytest.raises(TypeError, match=rf"Linears only; 0 is a {type(module).__name__}"):
            peft.get_peft_model(model, SnellConfig(target_modules=["0"]))


def test_a_sparsity_that_leaves_a_layer_nothing_is_refused():
    with pytest.raises(SpecError, match="zeroes all 312 entries"):
        tuned(sparsity=0.999, form="paper", target_modules=["0"])


@pytest.mark.parametrize(
    ("splits", "words"),
    [({"qvk": 3}, "fused_splits names qvk"), ({"0": 0}, "of 0 is 0"), ({"0": -1}, "of 0 is -1")],
)
def test_fused_splits_that_mean_nothing_are_refused(splits, words):
    with pytest.raises(ValueError, match=words):
        tuned(fused_splits=splits)


def test_a_weight_that_others_use_takes_no_update_in():
    base = net()
    base.append(nn.Linear(*SIZES[:2]))
    base[3].weight = base[0].weight
    before = base[0].weight.clone()
    model = peft.get_peft_model(base, SnellConfig(r=4, target_modules=["0"]))
    with pytest.raises(ValueError, match="the weight is shared"):
        model.merge_adapter()
    assert torch.equal(base[3].weight, before)
