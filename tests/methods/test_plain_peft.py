"""What PEFT ships is used as it is: folders written here open in plain PEFT, and PEFT's here."""

import warnings
from pathlib import Path

import peft
import pytest
import torch

from sparse_peft.methods.adalora import AdaLoRA
from sparse_peft.methods.adapters import open_adapter, write_card
from sparse_peft.methods.fourierft import FourierFT
from sparse_peft.methods.loha import LoHa
from sparse_peft.methods.lokr import LoKr
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Method
from sparse_peft.methods.oft import OFT
from sparse_peft.methods.shira import SHiRA
from sparse_peft.methods.vera import VeRA
from tests.methods.peft_folders import (
    PLAN,
    SHAPES,
    TARGETS,
    components,
    inputs,
    trained,
    trained_by_peft,
)

SHA = "0" * 64
WRITTEN_HERE = [
    LoRA(rank=3),
    LoRA(rank=2, dora=True),
    LoRA(rank=4, rslora=True, alpha=3.0),
    AdaLoRA(init_rank=4, target_rank=2),
    VeRA(rank=7),
    LoHa(rank=2, alpha=5.0),
    LoKr(rank=2),
    LoKr(rank=9, decompose_factor=3),
    FourierFT(frequencies=40, scaling=2.0),
    FourierFT(frequencies=150, scaling=2.0),
    OFT(block_size=3),
    SHiRA(rank=2),
]


def opened_by_peft(folder: Path) -> torch.Tensor:
    """What the network says once plain PEFT has opened the folder on it."""
    with warnings.catch_warnings():
        # PEFT says this of every file that leaves VeRA's matrices to their seed.
        warnings.filterwarnings("ignore", message="Specified to not (save|load) vera_A")
        # And of every pruned AdaLoRA, its own too: it looks for modules by names of tensors.
        warnings.filterwarnings("ignore", message="The following rank_pattern keys did not match")
        model = peft.PeftModel.from_pretrained(components()["net"], str(folder))
    answer: torch.Tensor = model(inputs())
    return answer


@pytest.mark.parametrize("method", WRITTEN_HERE, ids=repr)
def test_a_folder_written_here_opens_in_plain_peft(method: Method, tmp_path: Path) -> None:
    parts = components()
    base = parts["net"](inputs())
    trained(method, parts).save(tmp_path)
    expected = parts["net"](inputs())
    assert (expected - base).abs().max() > 1e-3
    torch.testing.assert_close(opened_by_peft(tmp_path / "net"), expected)


WRITTEN_BY_PEFT = [
    (LoRA(rank=3, alpha=6.0), peft.LoraConfig(r=3, lora_alpha=6)),
    (LoRA(rank=2, dora=True), peft.LoraConfig(r=2, lora_alpha=2, use_dora=True)),
    (
        VeRA(rank=5, projection_prng_key=8),
        lambda: peft.VeraConfig(r=5, projection_prng_key=8, save_projection=False),
    ),
    (LoHa(rank=2), peft.LoHaConfig(r=2, alpha=2)),
    (LoKr(rank=2), peft.LoKrConfig(r=2, alpha=2)),
    (FourierFT(frequencies=40, scaling=2.0), peft.FourierFTConfig(n_frequency=40, scaling=2.0)),
    (OFT(block_size=6), peft.OFTConfig(r=0, oft_block_size=6)),
    (SHiRA(rank=2), peft.ShiraConfig(r=2, random_seed=5)),
]


@pytest.mark.parametrize(
    ("method", "config"), WRITTEN_BY_PEFT, ids=lambda made: type(made).__name__
)
def test_a_folder_written_by_plain_peft_opens_here(
    method: Method, config: peft.PeftConfig, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specified to not (save|load) vera_A")
        made = config() if callable(config) else config
        expected = trained_by_peft(made, tmp_path / "net")
    write_card(tmp_path, method, "toy", SHA, TARGETS, PLAN)
    parts = components()
    base = parts["net"](inputs())
    opened = open_adapter(tmp_path, parts, SHA)
    torch.testing.assert_close(parts["net"](inputs()), expected)
    opened.remove()
    assert torch.equal(parts["net"](inputs()), base)


@pytest.mark.parametrize("method", WRITTEN_HERE, ids=repr)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_base_trains_in_single_precision(
    method: Method, dtype: torch.dtype
) -> None:
    parts = components(dtype)
    before = {name: value.clone() for name, value in parts["net"].state_dict().items()}
    attachment = method.attach(parts, TARGETS, PLAN)
    optimizer = attachment.optimizer(1e-3)
    parts["net"](inputs().to(dtype)).float().square().mean().backward()
    optimizer.step()
    attachment.after_step(0)
    assert attachment.measured().active == method.footprint(SHAPES, PLAN).active
    assert {leaf.dtype for leaf in attachment.leaves()} == {torch.float32}
    assert {attachment.change(target).dtype for target in TARGETS} == {torch.float32}
    attachment.remove(keep=False)
    after = parts["net"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("method", WRITTEN_HERE, ids=repr)
def test_it_trains_under_autocast(method: Method) -> None:
    parts = components()
    attachment = trained(method, parts, halves=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = parts["net"](inputs())
    expected = parts["net"](inputs())
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    assert max(attachment.change(target).abs().max() for target in TARGETS) > 1e-3
