"""DoRA as an option of LoRA."""

from pathlib import Path

import peft
import torch
from safetensors.torch import load_file

from sparse_peft.methods.lora import LoRA
from sparse_peft.tuners.layout import PEFT_PREFIX
from tests.methods.peft_folders import PLAN, SHAPES, TARGETS, components, inputs, trained


def test_dora_is_pefts_and_starts_at_the_base() -> None:
    parts = components()
    base = parts["net"](inputs())
    attachment = LoRA(rank=2, dora=True).attach(parts, TARGETS, PLAN)
    assert torch.equal(parts["net"](inputs()), base)
    assert parts["net"][0].use_dora == {"default": True}
    assert all(float(attachment.change(target).abs().max()) == 0 for target in TARGETS)


def test_dora_learns_the_length_of_each_row_and_counts_it() -> None:
    parts = components()
    attachment = trained(LoRA(rank=2, dora=True), parts)
    count = 2 * (30 + 26) + 18 + 8
    assert LoRA(rank=2, dora=True).footprint(SHAPES, PLAN).active == count
    assert attachment.measured().active == attachment.measured().stored == count
    layer = parts["net"][0]
    assert isinstance(layer, peft.tuners.lora.Linear)
    lengths = (layer.weight + attachment.change("net/0")).norm(dim=1)
    torch.testing.assert_close(lengths, layer.lora_magnitude_vector["default"].weight)


def test_what_dora_changed_is_what_merging_leaves() -> None:
    parts = components()
    before = parts["net"][0].weight.clone()
    attachment = trained(LoRA(rank=2, dora=True, rslora=True, alpha=3.0), parts)
    change = attachment.change("net/0")
    attachment.remove(keep=True)
    torch.testing.assert_close(parts["net"][0].weight - before, change, rtol=1e-4, atol=1e-6)


def test_the_file_of_dora_holds_the_tensors_that_it_names(tmp_path: Path) -> None:
    method = LoRA(rank=2, dora=True)
    method.attach(components(), TARGETS, PLAN).save(tmp_path)
    named = {f"{target}.{name}" for target in TARGETS for name in method.tensors(SHAPES[target])}
    found = {
        f"{path.parent.name}/{key.removeprefix(PEFT_PREFIX)}"
        for path in tmp_path.rglob("*.safetensors")
        for key in load_file(path)
    }
    assert found == named
