"""What was saved opens with our layers, whichever of ours it is."""

from itertools import pairwise
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sparse_peft import SO, SnellConfig, WaveFTConfig, load, save_delta
from sparse_peft.errors import SpecError
from sparse_peft.tuners.layout import DELTA_NAME
from sparse_peft.tuners.snell.model import SnellLinear
from sparse_peft.tuners.waveft.model import WEIGHTS_NAME, WaveFTLinear

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
    with pytest.raises(
        ValueError, match=r"LORA adapter; expected WAVEFT or SNELL.*PeftModel\.from"
    ):
        load(net(), tmp_path)


def test_what_so_changed_is_refused_with_the_name_of_what_opens_it(tmp_path: Path) -> None:
    model = net()
    so = SO(model.parameters(), lr=1e-3, density_ratio=0.5, remember=True)
    so.refresh()
    save_delta(model, so, tmp_path / DELTA_NAME)
    for path in (tmp_path, tmp_path / DELTA_NAME):
        with pytest.raises(ValueError, match=r"no folder with an adapter_config.*with load_delta"):
            load(net(), path)


@pytest.mark.parametrize(("config", "_"), CONFIGS.values(), ids=CONFIGS)
def test_a_second_one_joins_the_first(config: peft.PeftConfig, _: type, tmp_path: Path) -> None:
    expected = saved(config, tmp_path)
    model = load(load(net(), tmp_path), tmp_path, "two")
    assert list(model.peft_config) == ["default", "two"]
    model.set_adapter("two")
    torch.testing.assert_close(model(INPUT), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="an adapter called 'two' already"):
        load(model, tmp_path, "two")


def test_a_model_with_layers_of_others_is_refused(tmp_path: Path) -> None:
    saved(CONFIGS["plain waveft"][0], tmp_path)
    plain = peft.PeftModel.from_pretrained(net(), tmp_path)
    with pytest.raises(ValueError, match="other adapters than this WAVEFT with our layers"):
        load(plain, tmp_path, "two")


@pytest.mark.parametrize(("config", "_"), CONFIGS.values(), ids=CONFIGS)
def test_it_trains_further_where_it_is_to(config: peft.PeftConfig, _: type, tmp_path: Path) -> None:
    saved(config, tmp_path)
    assert not any(param.requires_grad for param in load(net(), tmp_path).parameters())
    model = load(net(), tmp_path, is_trainable=True)
    trained = {name for name, param in model.named_parameters() if param.requires_grad}
    assert trained
    assert all("waveft_" in name or "snell_" in name for name in trained)
    before = model(INPUT).detach()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(INPUT).square().sum().backward()
    optimizer.step()
    assert not torch.equal(model(INPUT), before)


def other(*sizes: int) -> nn.Module:
    return nn.Sequential(
        *(each for pair in pairwise(sizes) for each in (nn.Linear(*pair), nn.Tanh()))
    )


MISFITS = {
    "wider": (other(12, 20, 8), r"0.* shape"),
    "fewer layers": (other(12, 16), r"the file holds 2\..*no such layer"),
}


@pytest.mark.parametrize(("model", "words"), MISFITS.values(), ids=MISFITS)
@pytest.mark.parametrize("kind", ["waveft", "snell"])
def test_an_adapter_of_another_model_is_refused_and_leaves_it_alone(
    kind: str, model: nn.Module, words: str, tmp_path: Path
) -> None:
    saved(CONFIGS[kind][0], tmp_path)
    with pytest.raises(ValueError, match=f"{tmp_path} does not fit this model: .*{words}"):
        load(model, tmp_path)
    assert all(type(module) in (nn.Linear, nn.Tanh) for module in model.children())
    assert all(param.requires_grad for param in model.parameters())


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_layer_that_the_file_lacks_is_named(kind: str, tmp_path: Path) -> None:
    saved(CONFIGS[kind][0], tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if ".2." not in k}, path)
    with pytest.raises(ValueError, match=r"call for 2\..* here, which the file does not hold"):
        load(net(), tmp_path)


def test_of_plain_peft_the_number_of_coefficients_is_checked(tmp_path: Path) -> None:
    saved(CONFIGS["plain waveft"][0], tmp_path)
    with pytest.raises(ValueError, match="0 has 16 entries, too few for 20"):
        load(other(4, 4, 8), tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    save_file({name: tensor[:7] for name, tensor in load_file(path).items()}, path)
    with pytest.raises(ValueError, match=r"shape \(7,\) in the file, and would have \(20,\) here"):
        load(net(), tmp_path)


def test_coefficients_in_proportion_tell_the_shapes(tmp_path: Path) -> None:
    config = peft.WaveFTConfig(n_frequency=20, target_modules=TARGETS, proportional_parameters=True)
    before = saved(config, tmp_path)
    torch.testing.assert_close(load(net(), tmp_path)(INPUT), before, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="does not fit this model"):
        load(other(12, 32, 32), tmp_path)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_file_that_was_cut_off_is_named(kind: str, tmp_path: Path) -> None:
    saved(CONFIGS[kind][0], tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=f"^{path} is damaged or no safetensors file"):
        load(net(), tmp_path)


def test_a_damaged_note_of_shapes_is_said_as_it_is(tmp_path: Path) -> None:
    saved(WaveFTConfig(n_frequency=20, target_modules=TARGETS), tmp_path)
    note = tmp_path / WEIGHTS_NAME
    note.write_text("{")
    with pytest.raises(SpecError, match=f"^{note}, line 1: not valid JSON"):
        load(net(), tmp_path)
