"""Full fine-tuning is AdamW on the weights, and leaves no trace."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods.adapters import open_adapter, read_adapter, write_card
from sparse_peft.methods.full import Full
from sparse_peft.planning import within
from tests.methods.peft_folders import PLAN, SHAPES, TARGETS, components, inputs, trained

SHA = "0" * 64


def double() -> dict[str, nn.Module]:
    return components(torch.float64)


def test_it_is_adamw_on_the_plain_weights() -> None:
    parts, plain = double(), double()["net"]
    for name, param in plain.named_parameters():
        param.requires_grad_(name.endswith("weight"))
    attachment = Full(weight_decay=0.1).attach(parts, TARGETS, PLAN)
    optimizer = attachment.optimizer(1e-2)
    expected = torch.optim.AdamW(
        [param for param in plain.parameters() if param.requires_grad], lr=1e-2, weight_decay=0.1
    )
    x = inputs().double()
    for step in range(40):
        parts["net"](x).square().mean().backward()
        attachment.clip(0.5)
        optimizer.step()
        attachment.after_step(step)
        optimizer.zero_grad()
        plain(x).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(
            [param for param in plain.parameters() if param.requires_grad], 0.5
        )
        expected.step()
        expected.zero_grad()
    for one, other in zip(parts["net"].parameters(), plain.parameters(), strict=True):
        assert (one - other).abs().max() < 1e-12
    for target in TARGETS:
        assert attachment.change(target).abs().max() > 1e-2


def test_it_stands_outside_the_budget() -> None:
    assert Full().budget_range(SHAPES) is None
    assert within(Full(), 1, SHAPES, allow_over=False) == (Full(), False)
    footprint = Full().footprint(SHAPES, PLAN)
    assert footprint.active == footprint.stored == 18 * 12 + 8 * 18
    assert footprint.support is None


def test_the_file_holds_the_weights_as_they_are(tmp_path: Path) -> None:
    parts = components()
    trained(Full(), parts).save(tmp_path)
    held = load_file(tmp_path / "net" / "full_weights.safetensors")
    assert held.keys() == {"0.weight", "2.weight"}
    assert torch.equal(held["0.weight"], parts["net"][0].weight)


def saved(folder: Path) -> Path:
    trained(Full(), components()).save(folder)
    write_card(folder, Full(), "toy", SHA, TARGETS, PLAN)
    return folder / "net" / "full_weights.safetensors"


def test_an_opened_file_gives_the_same_bits_and_leaves_no_trace(tmp_path: Path) -> None:
    parts = components()
    trained(Full(), parts).save(tmp_path)
    write_card(tmp_path, Full(), "toy", SHA, TARGETS, PLAN)
    fresh = components()
    base = fresh["net"](inputs())
    opened = open_adapter(tmp_path, fresh, SHA)
    assert not read_adapter(tmp_path, SHA).sparse
    assert torch.equal(fresh["net"](inputs()), parts["net"](inputs()))
    opened.remove()
    assert torch.equal(fresh["net"](inputs()), base)


@pytest.mark.parametrize("change", ["shape", "type", "name", "infinite"])
def test_weights_that_do_not_fit_are_refused_and_nothing_has_changed(
    tmp_path: Path, change: str
) -> None:
    path = saved(tmp_path)
    tensors = load_file(path)
    weight = tensors.pop("2.weight")
    if change == "name":
        tensors["3.weight"] = weight
    elif change == "infinite":
        tensors["2.weight"] = weight / 0
    else:
        tensors["2.weight"] = weight.half() if change == "type" else weight[:, 1:].clone()
    save_file(tensors, path)
    fresh = components()
    base = fresh["net"](inputs())
    words = {"name": "does not hold the targets", "infinite": "not finite"}
    with pytest.raises(BackboneError, match=words.get(change, r"2 is .*expected torch.float32")):
        open_adapter(tmp_path, fresh, SHA)
    assert torch.equal(fresh["net"](inputs()), base)


def test_the_optimizer_is_made_before_its_state_is_loaded() -> None:
    state = trained(Full(), components()).state()
    with pytest.raises(ValueError, match="make the optimizer"):
        Full().attach(components(), TARGETS, PLAN).load(state)


def test_a_negative_weight_decay_is_refused() -> None:
    with pytest.raises(SpecError, match="weight_decay is -1"):
        Full(weight_decay=-1.0)
