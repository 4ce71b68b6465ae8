"""Copies of a model whose gradients are sampled are plain models; the original trains on."""

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sparse_peft.tuners.so.gradient_view import GradientView
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.ranks import IGNORED
from sparse_peft.tuners.so.sampled_gradients import SampledGradients, sampled_gradients

Way = Callable[[nn.Module], nn.Module]


def saved_whole(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    found = torch.load(file, weights_only=False)
    assert isinstance(found, nn.Module)
    return found


def pickled(model: nn.Module) -> nn.Module:
    found = pickle.loads(pickle.dumps(model))
    assert isinstance(found, nn.Module)
    return found


def averaged(model: nn.Module) -> nn.Module:
    return AveragedModel(model).module


ways = pytest.mark.parametrize("way", [copy.deepcopy, pickled, saved_whole, averaged])


def sampled() -> tuple[nn.Module, SO, SampledGradients]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 50), nn.Tanh(), nn.Linear(50, 40))
    so = SO(model.parameters(), lr=1e-2, density_ratio=0.05, T=2)
    return model, so, sampled_gradients(model, so, densest=1.0)


def inputs() -> Tensor:
    return torch.randn(3, 40, generator=torch.Generator().manual_seed(1))


def step(model: nn.Module, so: SO) -> None:
    model(inputs()).square().sum().backward()
    so.step()


@ways
@pytest.mark.parametrize("moment", ["before", "gradients", "between steps"])
def test_a_copy_is_a_plain_model_and_the_original_is_still_sampled(way: Way, moment: str):
    model, so, _ = sampled()
    if moment == "gradients":
        model(inputs()).square().sum().backward()
    if moment == "between steps":
        step(model, so)
    other = way(model)
    assert torch.equal(other(inputs()), model(inputs()))
    for param in other.parameters():
        param.grad = None
    other(inputs()).square().sum().backward()
    assert all(type(param.grad) is Tensor for param in other.parameters())
    model(inputs()).square().sum().backward()
    assert all(type(param.grad) is GradientView for param in model.parameters())


@ways
def test_a_copy_can_be_sampled_and_let_go_of(way: Way):
    model, so, handle = sampled()
    other = way(model)
    own = SO(other.parameters(), lr=1e-2, density_ratio=0.05, T=2)
    others_handle = sampled_gradients(other, own, densest=1.0)
    assert [other[0] in others_handle, other[2] in others_handle] == [True, True]
    assert [other[0] in handle, other[2] in handle] == [False, False]
    for _ in range(3):
        step(model, so)
        step(other, own)
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)
    others_handle.remove()
    assert not {"forward"} & (vars(other[0]).keys() | vars(other[2]).keys())


@pytest.mark.parametrize("backend", ["eager"])
@ways
def test_a_compiled_model_is_copied_alike(way: Way, backend: str):
    for compiled in (torch.compile, lambda model, **options: model.compile(**options) or model):
        model, so, _ = sampled()
        whole = compiled(model, backend=backend)
        step(whole, so)
        other = way(whole)
        assert torch.equal(other(inputs()), whole(inputs()))
        for param in other.parameters():
            param.grad = None
        other(inputs()).sum().backward()
        assert all(type(param.grad) is Tensor for param in other.parameters())


def test_the_state_of_a_sampled_model_is_that_of_a_plain_one():
    model, so, handle = sampled()
    step(model, so)
    model(inputs()).square().sum().backward()
    found = {name: value.clone() for name, value in model.state_dict().items()}
    handle.remove()
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_an_average_of_diffusers_follows_and_takes_turns_with_the_weights():
    results = []
    for turns in (False, True):
        model, so, _ = sampled()
        average = EMAModel(model.parameters(), decay=0.5, update_after_step=-1)
        expected = [param.detach().clone() for param in model.parameters()]
        for _ in range(4):
            step(model, so)
            average.step(model.parameters())
            for mean, param in zip(expected, model.parameters(), strict=True):
                mean.lerp_(param.detach(), 1 - average.cur_decay_value)
            if turns:
                average.store(model.parameters())
                average.copy_to(model.parameters())
                model(inputs())
                average.restore(model.parameters())
        for mean, shadow in zip(expected, average.shadow_params, strict=True):
            torch.testing.assert_close(shadow, mean)
        results.append([param.detach().clone() for param in model.parameters()])
    assert all(torch.equal(left, right) for left, right in zip(*results, strict=True))


def test_what_belongs_to_the_original_is_refused_in_a_sentence():
    model, _, handle = sampled()
    model(inputs()).square().sum().backward()
    for way in (copy.deepcopy, pickled):
        with pytest.raises(TypeError, match="copy the model and the optimizer"):
            way(handle)
    with pytest.raises(TypeError, match=r"save so\.sampled\[weight\]\.grad"):
        pickle.dumps(model[0].weight.grad)
    with pytest.raises(NotImplementedError, match=r"read the entries as so\.sampled"):
        copy.deepcopy(model[0].weight.grad)


@ways
@pytest.mark.parametrize("before", [None, ["2.bias"]])
def test_a_copy_does_not_hide_its_weights_from_distributed_data_parallel(way: Way, before):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 50), nn.Tanh(), nn.Linear(50, 40))
    if before is not None:
        setattr(model, IGNORED, before)
    sampled_gradients(model, SO(model.parameters(), density_ratio=0.05))
    assert set(getattr(model, IGNORED)) == set(dict(model.named_parameters()))
    assert list(getattr(way(model), IGNORED)) == (before or [])
