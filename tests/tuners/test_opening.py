"""What was saved opens with our layers, whichever of ours it is."""

from pathlib import Path

import peft
import pytest
import torch
from torch import Tensor, nn

from sparse_peft import SnellConfig, WaveFTConfig, load
from sparse_peft.tuners.snell.model import SnellLinear
from sparse_peft.tuners.waveft.model import WaveFTLinear

TARGETS = ["0", "2"]
INPUT = torch.linspace(-1, 1, 48).view(4, 12)


def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 8))


def saved(config: peft.PeftConfig, folder: Path) -> Tensor:
    """The output of a net with an adapter that does something, and has been saved."""
    model = peft.get_peft_model(net(), config)
    with torch.no_grad():
        for param in model.parameters():
            if param.requires_grad:
                param.add_(0.1)
    model.save_pretrained(folder)
    output: Tensor = model(INPUT)
    return output


CONFIGS = {
    "waveft": (WaveFTConfig(n_frequency=20, target_modules=TARGETS), WaveFTLinear),
    "plain waveft": (peft.WaveFTConfig(n_frequency=20, target_modules=TARGETS), WaveFTLinear),
    "snell": (SnellConfig(r=4, target_modules=TARGETS), SnellLinear),
}


@pytest.mark.parametrize(("config", "layer"), CONFIGS.values(), ids=CONFIGS)
def test_it_opens_with_our_layers_to_the_same_output(
    config: peft.PeftConfig, layer: type, tmp_path: Path
) -> None:
    before = saved(config, tmp_path)
    opened = load(net(), tmp_path)
    assert sum(isinstance(module, layer) for module in opened.modules()) == len(TARGETS)
    torch.testing.assert_close(opened(INPUT), before, rtol=1e-5, atol=1e-6)


def test_another_kind_of_adapter_is_refused(tmp_path: Path) -> None:
    saved(peft.LoraConfig(r=2, target_modules=TARGETS), tmp_path)
    with pytest.raises(ValueError, match="LORA adapter; expected WAVEFT or SNELL"):
        load(net(), tmp_path)
