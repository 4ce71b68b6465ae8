import json
from pathlib import Path

import peft
import pytest
import torch
from torch import Tensor, nn

from sparse_peft.errors import SpecError
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Plan
from sparse_peft.tuners.attachments.peft import PeftAttachment

PLAN = Plan(steps=3, seed=4)
TARGETS = ("net/block.to_q", "net/block.to_out.0")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(8, 12)
        self.to_out = nn.ModuleList([nn.Linear(12, 8)])

    def forward(self, x: Tensor) -> Tensor:
        return self.to_out[0](torch.tanh(self.to_q(x)))


def components() -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inner = nn.ModuleDict({"block": Block()})
        return {"net": nn.ModuleDict({"block": Block(), "inner": inner})}


def inputs() -> Tensor:
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def trained(method: LoRA, parts: dict[str, nn.Module]) -> PeftAttachment:
    attachment = method.attach(parts, TARGETS, PLAN)
    optimizer = attachment.optimizer(1e-2)
    for _ in range(PLAN.steps):
        parts["net"]["block"](inputs()).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return attachment


def test_it_is_plain_peft_with_alpha_equal_to_rank():
    parts = components()
    trained(LoRA(rank=3), parts)
    layer = parts["net"]["block"].to_q
    assert isinstance(layer, peft.tuners.lora.Linear)
    assert layer.scaling["default"] == 1.0
    assert layer.lora_A["default"].weight.shape == (3, 8)
    parts = components()
    trained(LoRA(rank=4, alpha=2.0), parts)
    assert parts["net"]["block"].to_q.scaling["default"] == 0.5


def test_rslora_divides_by_the_root_of_the_rank():
    parts = components()
    attachment = LoRA(rank=4, alpha=3.0, rslora=True).attach(parts, TARGETS, PLAN)
    layer = parts["net"]["block"].to_q
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    product = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(attachment.change(TARGETS[0]), 3.0 / 2.0 * product.detach())


def test_weight_decay_is_decoupled_and_on_the_adapter_alone():
    for decay in (0.0, 0.5):
        attachment = LoRA(weight_decay=decay).attach(components(), TARGETS, PLAN)
        [group] = attachment.optimizer(1e-2).param_groups
        assert isinstance(attachment.optimizer(1e-2), torch.optim.AdamW)
        assert group["weight_decay"] == decay
        assert sum(p.numel() for p in group["params"]) == attachment.measured().active


def test_only_the_given_modules_are_tuned_though_others_end_alike():
    parts = components()
    trained(LoRA(), parts)
    adapted = [n for n, m in parts["net"].named_modules() if isinstance(m, peft.tuners.lora.Linear)]
    assert adapted == ["block.to_q", "block.to_out.0"]


def test_plain_peft_reads_the_folder(tmp_path: Path):
    parts = components()
    trained(LoRA(rank=2), parts).save(tmp_path)
    expected = parts["net"]["block"](inputs())
    config = json.loads((tmp_path / "net" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert config["target_modules"] == ["block.to_out.0", "block.to_q"]
    opened = peft.PeftModel.from_pretrained(components()["net"], tmp_path / "net")
    assert torch.equal(opened.base_model.model["block"](inputs()), expected)
    assert torch.equal(
        opened.base_model.model["inner"]["block"](inputs()),
        components()["net"]["inner"]["block"](inputs()),
    )


def test_the_start_depends_on_the_seed_of_the_plan_alone():
    starts = []
    for seed, noise in [(1, 3), (1, 4), (2, 3)]:
        torch.manual_seed(noise)
        parts = components()
        LoRA().attach(parts, TARGETS, Plan(steps=1, seed=seed))
        starts.append(parts["net"]["block"].to_q.lora_A["default"].weight)
        assert torch.initial_seed() == noise
    assert starts[0].equal(starts[1])
    assert not starts[0].equal(starts[2])


def test_dropout_acts_in_training_only():
    parts = components()
    trained(LoRA(dropout=0.5), parts)
    block = parts["net"]["block"]
    assert not torch.equal(block(inputs()), block(inputs()))
    block.eval()
    assert torch.equal(block(inputs()), block(inputs()))


def test_a_half_precision_base_gets_an_adapter_in_single_precision():
    parts = {"net": components()["net"].bfloat16()}
    attachment = LoRA().attach(parts, TARGETS, PLAN)
    assert {p.dtype for p in attachment.optimizer(1e-3).param_groups[0]["params"]} == {
        torch.float32
    }


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"rank": 0}, "rank"),
        ({"alpha": 0.0}, "alpha"),
        ({"dropout": 1.0}, "dropout"),
        ({"weight_decay": -0.1}, "weight_decay"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, name):
    with pytest.raises(SpecError, match=f"^{name} is "):
        LoRA(**settings)


def test_a_budget_becomes_the_largest_rank_within_it():
    shapes = {"net/a": (100, 50), "net/b": (30, 20)}
    assert LoRA().fit(200, shapes).rank == 1
    assert LoRA().fit(399, shapes).rank == 1
    assert LoRA().fit(400, shapes).rank == 2
    assert LoRA().fit(10**12, shapes).rank == 50
    with pytest.raises(SpecError, match="matrices only; net/a"):
        LoRA().fit(400, {"net/a": (4, 4, 3, 3)})
