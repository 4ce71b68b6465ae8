"""Who else has a say in the gradient of a sampled weight: hooks, `inputs=`, a second optimizer."""

import copy

import pytest
import torch
from torch import Tensor, nn

from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

both_ways = pytest.mark.parametrize("densest", [1.0, 0.0])


def linears(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 50), nn.Tanh(), nn.Linear(50, 40)).to(dtype)


def sampled(densest: float = 1.0) -> tuple[nn.Module, SO]:
    model = linears()
    so = SO(model.parameters(), lr=1e-2, density_ratio=0.05)
    sampled_gradients(model, so, densest=densest)
    return model, so


def expected_at(model: nn.Module, so: SO, x: Tensor) -> list[Tensor]:
    """The entries that SO samples, of the gradients of a model that is not sampled."""
    plain = linears()
    plain(x).square().sum().backward()
    pairs = zip(plain.parameters(), model.parameters(), strict=True)
    return [p.grad.flatten()[so.support(own).long()] for p, own in pairs]


def inputs() -> Tensor:
    return torch.randn(3, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@both_ways
def test_a_hook_that_masks_a_weights_gradient_is_heeded(densest):
    model, so = sampled(densest)
    weight, before = model[0].weight, model[0].weight.detach().clone()
    handle = weight.register_hook(torch.zeros_like)
    model(inputs()).square().sum().backward()
    assert torch.count_nonzero(so.sampled[weight].grad) == 0
    so.step()
    assert torch.equal(weight, before)
    assert not torch.equal(model[2].weight, linears()[2].weight)
    handle.remove()
    model(inputs()).square().sum().backward()
    assert torch.count_nonzero(so.sampled[weight].grad) > 0


@both_ways
def test_a_hook_behind_the_gradient_is_called(densest):
    model, _ = sampled(densest)
    seen = []
    model[0].weight.register_post_accumulate_grad_hook(lambda weight: seen.append(weight.grad))
    model(inputs()).square().sum().backward()
    assert [type(grad) for grad in seen] == [GradientView]


@both_ways
def test_a_backward_pass_for_the_parameters_samples_their_gradients(densest):
    model, so = sampled(densest)
    x = inputs()
    for times in (1, 2):  # it adds up
        model(x).square().sum().backward(inputs=list(model.parameters()))
        for leaf, entries in zip(so.sampled.values(), expected_at(model, so, x), strict=True):
            torch.testing.assert_close(leaf.grad, times * entries)
    so.step()
    assert not torch.equal(model[0].weight, linears()[0].weight)


def test_autograd_grad_gives_the_dense_gradient_or_the_sampled_one_and_keeps_neither():
    model, so = sampled()
    plain, x = linears(), inputs().requires_grad_()
    wanted = [model[0].weight, x, so.sampled[model[2].weight]]
    for number, one in enumerate(wanted):
        [found] = torch.autograd.grad(model(x).square().sum(), one)
        like = [plain[0].weight, x, plain[2].weight][number]
        [dense] = torch.autograd.grad(plain(x).square().sum(), like)
        if one is wanted[2]:
            dense = dense.flatten()[so.support(model[2].weight).long()]
        torch.testing.assert_close(found, dense)
    assert all(leaf.grad is None for leaf in so.sampled.values())
    assert all(param.grad is None for param in model.parameters())


def test_a_second_optimizer_on_one_model_is_refused_until_the_first_lets_go():
    model = linears()
    first, second = SO(model[0].parameters()), SO(model[2].parameters())
    handle = sampled_gradients(model, first)
    with pytest.raises(ValueError, match="give all parameters to one SO"):
        sampled_gradients(model, second)
    assert second.sampling is None
    handle.remove()
    sampled_gradients(model, second)


def test_two_optimizers_may_sample_two_parts_of_a_model():
    model = linears()
    parts = [(model[0], SO(model[0].parameters())), (model[2], SO(model[2].parameters()))]
    for part, so in parts:
        sampled_gradients(part, so, densest=1.0)
    model(inputs()).square().sum().backward()
    assert all(type(part.weight.grad) is GradientView for part, _ in parts)


def test_a_copy_of_a_sampled_model_can_be_sampled_for_an_optimizer_of_its_own():
    model, so = sampled()
    other = copy.deepcopy(model)
    own = SO(other.parameters(), density_ratio=0.05)
    handle = sampled_gradients(other, own, densest=1.0)
    other(inputs()).square().sum().backward()
    for leaf, entries in zip(own.sampled.values(), expected_at(other, own, inputs()), strict=True):
        torch.testing.assert_close(leaf.grad, entries)
    assert all(leaf.grad is None for leaf in so.sampled.values())
    handle.remove()
    assert "forward" not in vars(other[0])
    assert "forward" in vars(model[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_autocast_leaves_doubles_alone_as_it_does_in_a_plain_linear(dtype):
    plain, model = linears(dtype), linears(dtype)
    sampled_gradients(model, SO(model.parameters(), density_ratio=0.05), densest=1.0)
    x = inputs().to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = plain(x), model(x)
    assert found.dtype == (dtype if dtype == torch.float64 else torch.bfloat16)
    assert torch.equal(found, expected)
