"""A method at rest does what it will do after its training."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from sparse_peft.methods.adapters import open_adapter, write_card
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from sparse_peft.tuners.rest import at_rest, awake

METHOD, TARGETS, PLAN = LoRA(rank=2, dropout=0.5), ["part/0"], Plan(1, 0)
SHA = "0" * 64


def part() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(64, 64, bias=False)).eval()


@pytest.fixture
def dropped() -> Iterator[dict[str, nn.Module]]:
    components = {"part": part()}
    attachment = METHOD.attach(components, TARGETS, PLAN)
    components["part"][0].lora_B["default"].weight.data.normal_()  # type: ignore[index]
    yield components
    attachment.remove(keep=False)


def test_dropout_rests_while_a_method_is_tested(dropped: dict[str, nn.Module]) -> None:
    module, x = dropped["part"], torch.ones(4, 64)
    before = awake(dropped)
    assert before
    assert not torch.equal(module(x), module(x))
    with at_rest(dropped):
        assert torch.equal(module(x), module(x))
        assert awake(dropped) == []
    assert not torch.equal(module(x), module(x))
    assert awake(dropped) == before


def test_an_opened_adapter_is_at_rest_and_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    attachment = METHOD.attach({"part": part()}, TARGETS, PLAN)
    attachment.load({name: torch.randn_like(value) for name, value in attachment.state().items()})
    attachment.save(tmp_path)
    write_card(tmp_path, METHOD, "toy", SHA, TARGETS, PLAN)
    components = {"part": part(), "other": nn.Linear(2, 2)}
    components["part"].train()
    opened = open_adapter(tmp_path, components, SHA)
    x = torch.ones(4, 64)
    assert torch.equal(components["part"](x), components["part"](x))
    assert components["part"].training
    assert components["other"].training
    opened.remove()
