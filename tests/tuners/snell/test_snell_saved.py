"""What SNELL saves opens again: the same output, the same next steps."""

import json

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sparse_peft.tuners.snell.model import SnellConfig


def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 11)).to(dtype)


def tuned(dtype: torch.dtype = torch.float32, **settings) -> peft.PeftModel:
    settings = {"r": 4, "sparsity": 0.5, "target_modules": ["0", "2"], **settings}
    return peft.get_peft_model(net(dtype), SnellConfig(**settings))


def inputs(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 9, 13, generator=torch.Generator().manual_seed(3)).to(dtype)


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [param for param in model.parameters() if param.requires_grad]


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_saved_opens_to_the_same_output(tmp_path, dtype, low):
    model = tuned(dtype, form="paper", fused_splits={"0": 2}, dropout=0.1)
    model.eval()
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert saved["peft_type"] == "SNELL"
    assert saved["fused_splits"] == {"0": 2}
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert {f"base_model.model.{n}.snell_{f}" for n in (0, 2) for f in "AB"} == set(tensors)
    opened = peft.PeftModel.from_pretrained(net(dtype), tmp_path, low_cpu_mem_usage=low)
    assert not trained(opened)
    assert isinstance(opened.peft_config["default"], SnellConfig)
    assert torch.equal(opened(inputs(dtype)), model(inputs(dtype)))
    again = peft.PeftModel.from_pretrained(net(dtype), tmp_path, is_trainable=True)
    assert len(trained(again)) == 4


def test_a_head_is_trained_and_saved_with_it(tmp_path):
    model = tuned(target_modules=["0"], modules_to_save=["2"])
    assert len(trained(model)) == 4
    with torch.no_grad():
        trained(model)[-1].mul_(2)
    model.save_pretrained(tmp_path)
    opened = peft.PeftModel.from_pretrained(net(), tmp_path)
    assert torch.equal(opened(inputs()), model(inputs()))
    assert not torch.equal(opened(inputs()), net()(inputs()))


def test_training_goes_on_with_the_same_bits_after_saving(tmp_path):
    def run(model: peft.PeftModel, optimizer: torch.optim.Optimizer, steps: int) -> None:
        for _ in range(steps):
            model(inputs()).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    model = tuned()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2)
    run(model, optimizer, 3)
    model.save_pretrained(tmp_path)
    moments = optimizer.state_dict()
    again = peft.PeftModel.from_pretrained(net(), tmp_path, is_trainable=True)
    other = torch.optim.AdamW(trained(again), lr=1e-2)
    other.load_state_dict(copied(moments))
    run(model, optimizer, 3)
    run(again, other, 3)
    assert torch.equal(model(inputs()), again(inputs()))


def copied(state: dict) -> dict:
    clones = {k: {n: v.clone() for n, v in s.items()} for k, s in state["state"].items()}
    return {**state, "state": clones}
