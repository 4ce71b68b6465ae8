import copy

import pytest
import torch
from dense_watch import DenseWatch
from small_nets import batches, difference, loss, net
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

# At 1.0 every Linear takes the fast path; at 0.0 every weight makes its dense gradient first.
both_ways = pytest.mark.parametrize("densest", [1.0, 0.0])


@both_ways
def test_sampled_gradients_equal_the_dense_path_with_accumulation_and_clipping(densest):
    dense, fast = net(), net()
    options = {"lr": 1e-2, "density_ratio": 0.2, "T": 4, "weight_decay": 0.01}
    slow, quick = (SO(model.parameters(), **options) for model in (dense, fast))
    handle = sampled_gradients(fast, quick, densest=densest)
    for batch in batches(30):
        for half in batch.split(4):
            loss(dense, half).backward()
            loss(fast, half).backward()
        assert all(type(param.grad) is GradientView for param in fast.parameters())
        for param in dense.parameters():  # what the fast path never had
            mask = torch.zeros(param.numel(), dtype=torch.bool)
            mask[slow.support(param).long()] = True
            param.grad *= mask.view(param.shape)
        norms = (
            nn.utils.clip_grad_norm_(dense.parameters(), 0.5),
            nn.utils.clip_grad_norm_(quick.sampled.values(), 0.5),
        )
        torch.testing.assert_close(*norms, rtol=1e-4, atol=1e-6)
        slow.step()
        quick.step()
        assert all(param.grad is None for param in fast.parameters())
        slow.zero_grad()
    assert difference(dense, fast) < 1e-4
    handle.remove()
    loss(fast, batches(1)[0]).backward()
    assert all(type(param.grad) is Tensor for param in fast.parameters())
    assert not quick.sampled


@pytest.mark.parametrize("prune", ["after", "before"])
def test_sampled_training_in_double_precision_is_the_dense_one(prune):
    """Groups with options of their own, accumulation and weight decay; only rounding differs."""

    def trained(fast: bool) -> nn.Module:
        model = net(torch.float64)
        params = list(model.parameters())
        groups = [
            {"params": params[:3], "density_ratio": 0.05, "T": 3, "lr": 2e-3},
            {"params": params[3:7], "T": 1, "weight_decay": 0.1, "seed": 7},
            {"params": params[7:], "betas": (0.5, 0.9)},
        ]
        so = SO(groups, lr=1e-3, density_ratio=0.2, T=5, prune=prune)
        if fast:
            sampled_gradients(model, so, densest=1.0)
        for batch in batches(60):
            for half in batch.split(4):
                (loss(model, half) / 2).backward()
            so.step()
            so.zero_grad()
        return model

    assert difference(trained(fast=True), trained(fast=False)) < 1e-12
    assert difference(trained(fast=True), net(torch.float64)) > 1e-2


def small_linears(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 50), nn.Tanh(), nn.Linear(50, 40)).to(dtype)


@pytest.mark.parametrize("autocast", [False, True])
def test_a_whole_step_makes_nothing_of_the_size_of_a_weight(autocast):
    model = small_linears()
    weights = [model[0].weight, model[2].weight]
    so = SO(weights, density_ratio=0.01, T=1, weight_decay=0.1)
    sampled_gradients(model, so)
    x = torch.randn(7, 40)
    with DenseWatch(weights) as watch:
        for _ in range(3):
            if autocast:  # its copies of the weights are the model's, not the optimizer's
                with torch.autocast("cpu", torch.bfloat16):
                    y = model(x)
            else:
                y = model(x)
            watch.made = watch.made if not autocast else []
            y.float().square().sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            so.step()
            so.zero_grad()
    assert watch.seen > 100
    assert watch.made == []


def test_the_watch_sees_the_dense_gradients_of_others():
    model = small_linears()
    weights = [model[0].weight, model[2].weight]
    with DenseWatch(weights) as watch:
        model(torch.randn(7, 40)).square().sum().backward()
    assert len(watch.made) >= len(weights)


def test_a_weight_of_which_much_is_sampled_makes_one_dense_product():
    model = small_linears()
    groups = [{"params": [model[0].weight], "density_ratio": 0.01}]
    groups += [{"params": [model[2].weight], "density_ratio": 0.02}]
    sampled_gradients(model, SO(groups))
    for module, dense in ((model[0], False), (model[2], True)):
        y = module(torch.randn(3, module.in_features))
        with DenseWatch([module.weight]) as watch:
            y.square().sum().backward()
        assert (len(watch.made) > 0) == dense


def test_a_support_is_drawn_before_the_forward_pass_and_kept_until_the_step():
    model = nn.Linear(20, 20)
    so = SO([model.weight], T=1)
    sampled_gradients(model, so, densest=1.0)
    assert not so.state[model.weight]
    model(torch.randn(3, 20)).sum()
    support = so.state[model.weight]["support"]
    model(torch.randn(3, 20)).sum().backward()
    assert so.state[model.weight]["support"] is support
    so.step()
    model(torch.randn(3, 20)).sum()
    assert not so.state[model.weight]["support"].equal(support)


def test_a_backward_pass_after_the_support_has_changed_is_refused():
    model = nn.Linear(20, 20)
    so = SO([model.weight], T=1)
    sampled_gradients(model, so, densest=1.0)
    with torch.autocast("cpu", torch.bfloat16):  # else torch sees that the weight has changed
        late = model(torch.randn(3, 20)).sum()
    model(torch.randn(3, 20)).sum().backward()
    so.step()
    with pytest.raises(RuntimeError, match="between forward and backward"):
        late.backward()


def test_gradients_of_gradients_are_refused():
    model = nn.Linear(20, 20)
    so = SO([model.weight])
    sampled_gradients(model, so, densest=1.0)
    x = torch.randn(3, 20, requires_grad=True)
    [dx] = torch.autograd.grad(model(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


@both_ways
def test_a_weight_that_is_used_twice_gets_both_gradients(densest):
    torch.manual_seed(0)
    plain = nn.Linear(9, 9, dtype=torch.float64)
    model = copy.deepcopy(plain)
    so = SO(model.parameters(), density_ratio=0.3)
    sampled_gradients(model, so, densest=densest)
    x = torch.randn(4, 9, dtype=torch.float64)
    for linear in (plain, model):
        linear(linear(x).tanh()).square().sum().backward()
    expected = plain.weight.grad.flatten()[so.support(model.weight).long()]
    torch.testing.assert_close(so.sampled[model.weight].grad, expected)


def test_a_copy_of_the_model_uses_its_own_weights_and_makes_dense_gradients():
    model = small_linears()
    so = SO(model.parameters(), density_ratio=0.01)
    sampled_gradients(model, so)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight.zero_()
        other[0].bias.zero_()
    x = torch.randn(3, 40)
    expected = F.linear(torch.zeros(3, 50), model[2].weight, model[2].bias)
    assert torch.equal(other(x), expected)
    other(x).sum().backward()
    assert type(other[2].weight.grad) is Tensor
    assert model[2].weight.grad is None


@both_ways
def test_frozen_parameters_cost_nothing_and_may_be_trained_later(densest):
    model = small_linears()
    model[0].requires_grad_(False)
    so = SO(model.parameters(), density_ratio=0.02)
    sampled_gradients(model, so, densest=densest)
    before = copy.deepcopy(model.state_dict())
    for trained in (False, True):
        model[0].requires_grad_(trained)
        so.refresh()
        model(torch.randn(3, 40)).square().sum().backward()
        assert (model[0].weight in so.state) == trained
        assert (model[0].weight.grad is not None) == trained
        so.step()
        assert torch.equal(model[0].weight, before["0.weight"]) != trained


@both_ways
def test_a_group_that_comes_later_is_sampled_too(densest):
    model = small_linears()
    so = SO(model[0].parameters(), density_ratio=0.02)
    sampled_gradients(model, so, densest=densest)
    so.add_param_group({"params": list(model[2].parameters()), "density_ratio": 0.1, "T": 1})
    model(torch.randn(3, 40)).square().sum().backward()
    assert type(model[2].weight.grad) is GradientView
    assert so.sampled[model[2].weight].grad.numel() == 200
    so.step()
    assert so.state[model[2].weight]["step"] == 1


@both_ways
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("begun", [False, True])
def test_a_model_that_changes_its_type_afterwards_takes_its_gradients_along(densest, dtype, begun):
    model = small_linears()
    so = SO(model.parameters(), density_ratio=0.02)
    sampled_gradients(model, so, densest=densest)
    if begun and dtype != torch.float64:  # moments stay as wide as they began
        model(torch.randn(3, 40)).square().sum().backward()
        so.step()
    model.to(dtype)
    model(torch.randn(3, 40).to(dtype)).square().sum().backward()
    wide = torch.promote_types(dtype, torch.float32)
    for param in model.parameters():
        assert (so.sampled[param].grad.dtype, param.grad.dtype) == (wide, dtype)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    before = model[0].weight.clone()
    so.step()
    assert so.state[model[0].weight]["exp_avg"].dtype == wide
    assert 0 < (model[0].weight != before).sum() <= 2 * so.count(model[0].weight)


def test_a_linear_is_sampled_up_to_one_percent_unless_told_otherwise():
    for density, dense in ((0.01, False), (0.011, True)):
        model = nn.Linear(100, 100, bias=False)
        sampled_gradients(model, SO(model.parameters(), density_ratio=density))
        y = model(torch.randn(3, 100))
        with DenseWatch([model.weight]) as watch:
            y.square().sum().backward()
        assert bool(watch.made) == dense


def test_activation_checkpointing_gives_the_same_gradients():
    from torch.utils.checkpoint import checkpoint

    model = small_linears(torch.float64)
    so = SO(model.parameters(), density_ratio=0.02)
    sampled_gradients(model, so, densest=1.0)
    x = torch.randn(3, 40, dtype=torch.float64, requires_grad=True)
    model(x).square().sum().backward()
    plain = {param: leaf.grad.clone() for param, leaf in so.sampled.items()}
    so.zero_grad()
    for reentrant in (False, True):
        checkpoint(model, x, use_reentrant=reentrant).square().sum().backward()
        assert all(torch.equal(so.sampled[p].grad, plain[p]) for p in plain)
        so.zero_grad()


@pytest.mark.slow
def test_a_compiled_model_draws_new_supports_and_trains_as_an_eager_one():
    def trained(compiled: bool) -> nn.Module:
        model = small_linears(torch.float64)
        so = SO(model.parameters(), density_ratio=0.05, T=2, lr=1e-2)
        sampled_gradients(model, so, densest=1.0)
        runs = torch.compile(model, backend="aot_eager") if compiled else model
        generator = torch.Generator().manual_seed(1)
        for _ in range(6):
            x = torch.randn(3, 40, generator=generator, dtype=torch.float64)
            runs(x).square().sum().backward()
            so.step()
        return model

    assert difference(trained(True), trained(False)) < 1e-12


def test_sampling_twice_is_refused_and_possible_after_removal():
    model = small_linears()
    so = SO(model.parameters())
    handle = sampled_gradients(model, so)
    with pytest.raises(ValueError, match="sampled already"):
        sampled_gradients(model, so)
    handle.remove()
    assert "_ddp_params_and_buffers_to_ignore" not in vars(model)
    sampled_gradients(model, so)


@both_ways
def test_zero_grad_forgets_sampled_gradients(densest):
    model = nn.Linear(5, 5)
    so = SO(model.parameters())
    sampled_gradients(model, so, densest=densest)
    model(torch.randn(3, 5)).sum().backward()
    so.zero_grad()
    before = model.weight.clone()
    so.step()
    assert torch.equal(model.weight, before)


@both_ways
def test_sampled_gradients_follow_autocast(densest):
    torch.manual_seed(0)
    dense, fast = nn.Linear(16, 16), nn.Linear(16, 16)
    fast.load_state_dict(dense.state_dict())
    so = SO(fast.parameters(), density_ratio=0.3)
    sampled_gradients(fast, so, densest=densest)
    x = torch.randn(64, 16)
    for model in (dense, fast):
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x)
        assert y.dtype == torch.bfloat16
        y.float().square().mean().backward()
    expected = dense.weight.grad.flatten()[so.support(fast.weight).long()]
    torch.testing.assert_close(so.sampled[fast.weight].grad, expected, rtol=2e-2, atol=1e-3)


def test_a_tied_weight_gets_the_gradients_of_all_its_uses():
    torch.manual_seed(0)
    embedding, linear = nn.Embedding(10, 6), nn.Linear(6, 10, bias=False)
    linear.weight = embedding.weight
    model = nn.Sequential(embedding, linear)
    batch = torch.tensor([1, 2, 3, 3])
    model(batch).square().sum().backward()
    expected = embedding.weight.grad.clone()
    embedding.weight.grad = None
    so = SO([embedding.weight], density_ratio=0.5)
    sampled_gradients(model, so, densest=1.0)
    model(batch).square().sum().backward()
    at_support = expected.flatten()[so.support(embedding.weight).long()]
    torch.testing.assert_close(so.sampled[embedding.weight].grad, at_support)
    model(batch).square().sum().backward()
    torch.testing.assert_close(so.sampled[embedding.weight].grad, 2 * at_support)


@pytest.mark.gpu
@both_ways
def test_a_step_on_cuda_waits_for_nothing(densest):
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 8)).cuda()
    so = SO(model.parameters(), T=2)
    sampled_gradients(model, so, densest=densest)
    x = torch.randn(32, 64, device="cuda")
    for number in range(6):
        if number == 2:
            torch.cuda.set_sync_debug_mode("error")
        model(x).square().sum().backward()
        nn.utils.clip_grad_norm_(so.sampled.values(), 1.0)
        so.step()
    torch.cuda.set_sync_debug_mode("default")
