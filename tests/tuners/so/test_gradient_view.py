"""What loops do to `weight.grad` reaches the sampled entries; what cannot is refused."""

import pytest
import torch
from small_nets import batches, difference, loss, net
from torch import Tensor, nn

from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients


def sampled(dtype: torch.dtype = torch.float32) -> tuple[nn.Module, SO]:
    model = net(dtype)
    so = SO(model.parameters(), density_ratio=0.2, T=2, lr=1e-2)
    sampled_gradients(model, so, densest=1.0)
    loss(model, batches(1)[0]).backward()
    return model, so


def entries(so: SO) -> Tensor:
    return torch.cat([leaf.grad.double() for leaf in so.sampled.values()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_view_looks_like_its_weight_and_holds_nothing(dtype):
    model, so = sampled(dtype)
    for param in model.parameters():
        view = param.grad
        assert type(view) is GradientView
        assert (view.shape, view.dtype, view.device) == (param.shape, param.dtype, param.device)
        assert repr(view) == (
            f"GradientView({so.count(param)} sampled entries of {tuple(param.shape)})"
        )
        assert view.leaf.untyped_storage().nbytes() == view.leaf.element_size()


@pytest.mark.parametrize("foreach", [None, False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
def test_clipping_all_parameters_clips_the_sampled_entries_together(foreach, dtype, norm_type):
    model, so = sampled(dtype)
    others = nn.Linear(3, 3).to(dtype)
    others(torch.ones(1, 3, dtype=dtype)).sum().backward()
    before = entries(so)
    both = torch.cat([before, *(p.grad.flatten().double() for p in others.parameters())])
    params = [*model.parameters(), *others.parameters()]
    found = nn.utils.clip_grad_norm_(params, 0.5, norm_type, foreach=foreach)
    expected = both.norm(norm_type)
    torch.testing.assert_close(found.double(), expected, rtol=1e-2, atol=0)
    torch.testing.assert_close(entries(so), before * 0.5 / expected, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("foreach", [False, True])
def test_clipping_at_values_clips_the_sampled_entries(foreach):
    model, so = sampled()
    expected = entries(so).clamp(-0.1, 0.1)
    nn.utils.clip_grad_value_(model.parameters(), 0.1, foreach=foreach)
    torch.testing.assert_close(entries(so), expected)


@pytest.mark.parametrize("through", ["model", "so"])
@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad_of_the_model_or_of_the_optimizer_clears_the_sampled_entries(
    through, set_to_none
):
    model, so = sampled()
    expected = entries(so)
    (model if through == "model" else so).zero_grad(set_to_none=set_to_none)
    if not set_to_none:
        assert entries(so).abs().sum() == 0
    loss(model, batches(1)[0]).backward()
    torch.testing.assert_close(entries(so), expected)


def test_averaging_and_noise_reach_the_sampled_entries():
    model, so = sampled()
    weight = model[1].weight
    expected, noise = so.sampled[weight].grad.clone(), torch.randn(weight.shape)
    weight.grad.div_(2)
    weight.grad.add_(noise, alpha=3)
    noise_there = noise.flatten()[so.support(weight).long()]
    torch.testing.assert_close(so.sampled[weight].grad, expected / 2 + 3 * noise_there)


def test_what_would_need_the_whole_gradient_is_refused():
    weight = sampled()[0][1].weight
    for wrong in (
        lambda grad: grad + 1,
        lambda grad: grad.mean(),
        lambda grad: grad.mul_(torch.ones(16, 12)),
        lambda grad: torch.linalg.vector_norm(grad, dim=1),
        lambda grad: grad.clone(),
        lambda grad: grad.add_(1.0),
    ):
        with pytest.raises(NotImplementedError, match="holds its sampled entries only"):
            wrong(weight.grad)


def test_entries_that_were_cleared_alone_are_missed():
    model, so = sampled()
    so.sampled[model[1].weight].grad = None
    with pytest.raises(RuntimeError, match=r"clear weight\.grad as well"):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    with pytest.raises(RuntimeError, match=r"clear weight\.grad as well"):
        so.step()


def trained(scaler: torch.amp.GradScaler | None, unscale: bool) -> nn.Module:
    """Without a scaler, the batch that overflows is left out."""
    model = net()
    so = SO(model.parameters(), density_ratio=0.2, T=3, lr=1e-2)
    sampled_gradients(model, so, densest=1.0)
    for number, batch in enumerate(batches(12)):
        if scaler is None:
            if number == OVERFLOWS:
                continue
            loss(model, batch).backward()
        else:
            value = loss(model, batch) * (float("inf") if number == OVERFLOWS else 1)
            scaler.scale(value).backward()
            if unscale:
                scaler.unscale_(so)
        if unscale:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        if scaler is None:
            so.step()
        else:
            scaler.step(so)
            scaler.update()
        so.zero_grad()
    return model


OVERFLOWS = 5


@pytest.mark.parametrize("unscale", [False, True])
def test_a_scaler_unscales_before_clipping_and_leaves_out_steps_that_overflowed(unscale):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    assert difference(trained(scaler, unscale), trained(None, unscale)) < 1e-6
    assert scaler.get_scale() == 2.0**9  # halved once: it saw the overflow


@pytest.mark.parametrize("norm_type", [2, 1.0, float("inf")])
def test_norms_by_hand_are_those_of_the_sampled_entries(norm_type):
    model, so = sampled()
    for param in model.parameters():
        expected = so.sampled[param].grad.norm(norm_type)
        for view in (param.grad, param.grad.data, param.grad.detach(), param.grad.detach().data):
            assert type(view) is GradientView
            assert torch.equal(view.norm(norm_type), expected)
    before = entries(so)
    for param in model.parameters():
        param.grad.data.mul_(0.5)
    assert torch.equal(entries(so), before * 0.5)
