import copy

import jaxtyping
import pytest
import torch
from torch import nn

from sparse_peft.tuners.so.delta import save_delta
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.ranks import IGNORED
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients


def linears() -> nn.Module:
    return nn.Sequential(nn.Linear(40, 50), nn.Tanh(), nn.Linear(50, 40))


def test_an_optimizer_of_another_model_or_of_the_original_is_refused_and_nothing_changes():
    model = linears()
    so = SO(model.parameters())
    for other in (linears(), copy.deepcopy(model), nn.Tanh()):
        with pytest.raises(ValueError, match="tunes none of this model's parameters, so nothing"):
            sampled_gradients(other, so)
        assert so.sampling is None
        assert IGNORED not in vars(other)
        assert all("forward" not in vars(module) for module in other.modules())
    sampled_gradients(model, so)


def test_an_optimizer_of_parts_of_several_models_is_fine():
    models = [linears(), linears()]
    so = SO([{"params": models[0][2].parameters()}, {"params": models[1].parameters(), "T": 1}])
    sampled_gradients(models[0], so)
    models[0](torch.ones(3, 40)).sum().backward()
    assert so.sampled[models[0][2].weight].grad is not None


def test_what_is_no_model_and_its_so_is_refused_by_kind(monkeypatch, tmp_path):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as it is outside of tests
    model = linears()
    adam, so = torch.optim.Adam(model.parameters()), SO(model.parameters())
    order = "takes a model and its SO, in this order; got"
    with pytest.raises(TypeError, match=f"^sampled_gradients {order} Sequential and Adam$"):
        sampled_gradients(model, adam)
    with pytest.raises(TypeError, match=f"^sampled_gradients {order} SO and Sequential$"):
        sampled_gradients(so, model)
    with pytest.raises(TypeError, match=f"^save_delta {order} Sequential and Adam$"):
        save_delta(model, adam, tmp_path / "delta.safetensors")
