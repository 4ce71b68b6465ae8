"""What a WaveFT config stands for, and which layers and models it is for."""

import json
from pathlib import Path

import peft
import pytest
import torch
from torch import nn

from sparse_peft.tuners.waveft.model import WaveFTConfig, WaveFTLinear

INPUTS = torch.linspace(-1, 1, 52).view(4, 13)


def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 11, bias=False))


def test_peft_adds_what_it_saved_to_a_model_of_ours(tmp_path: Path) -> None:
    settings = peft.WaveFTConfig(n_frequency=40, target_modules=["0", "2"], init_weights=False)
    theirs = peft.get_peft_model(net(), settings)
    theirs.save_pretrained(tmp_path)
    first = WaveFTConfig(n_frequency=5, target_modules=["0"], per_layer_seed=True)
    model = peft.get_peft_model(net(), first)
    model.load_adapter(str(tmp_path), "two")
    model.set_adapter("two")
    assert sum(isinstance(module, WaveFTLinear) for module in model.modules()) == 2
    with torch.no_grad():
        assert not torch.allclose(theirs(INPUTS), net()(INPUTS))
        torch.testing.assert_close(model(INPUTS), theirs(INPUTS))
    model.save_pretrained(tmp_path / "again", selected_adapters=["two"])
    again = peft.PeftModel.from_pretrained(net(), tmp_path / "again" / "two")
    with torch.no_grad():
        torch.testing.assert_close(again(INPUTS), theirs(INPUTS))


def test_refusals_name_the_layer() -> None:
    with pytest.raises(ValueError, match=r"^0: n_frequency is 2592; expected 1 to 312"):
        peft.get_peft_model(net(), WaveFTConfig(target_modules=["0"]))
    model = nn.ModuleDict({"words": nn.Embedding(3, 4)})
    with pytest.raises(TypeError, match="words is a Embedding"):
        peft.get_peft_model(model, WaveFTConfig(target_modules=["words"]))


def test_haar_is_db1() -> None:
    assert WaveFTConfig(wavelet_family="haar") == WaveFTConfig(wavelet_family="db1")


def test_a_config_may_serve_models_of_several_shapes(tmp_path: Path) -> None:
    config = WaveFTConfig(n_frequency=5, target_modules=["0"])
    first = peft.get_peft_model(net(), config)
    peft.get_peft_model(nn.Sequential(nn.Linear(4, 3)), config)
    first.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "weight_shapes.json").read_text()) == {"0": [24, 13]}
