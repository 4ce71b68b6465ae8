"""SNELL as a method: sizes in even ranks, honest counts, published defaults."""

import pytest
import torch
from torch import nn

from sparse_peft.errors import SpecError
from sparse_peft.methods.method import Plan
from sparse_peft.methods.snell import SNELL

PLAN = Plan(steps=3, seed=4)
SHAPES = {"net/0": (24, 13), "net/2": (11, 24)}
VIT_B = {  # q, k, v, proj, fc1, fc2 of twelve blocks
    f"visual/{block}.{name}": shape
    for block in range(12)
    for name, shape in [(n, (768, 768)) for n in "qkvo"]
    + [("fc1", (3072, 768)), ("fc2", (768, 3072))]
}


def components() -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"net": nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 11))}


@pytest.mark.parametrize(("rank", "count"), [(8, 1_327_104), (16, 2_654_208), (32, 5_308_416)])
def test_on_a_vit_it_counts_as_lora_of_the_same_rank(rank: int, count: int) -> None:
    assert SNELL(rank=rank).footprint(VIT_B, PLAN).active == count
    assert SNELL().fit(count, VIT_B) == SNELL(rank=rank)
    assert SNELL().fit(count + count // rank, VIT_B).rank == rank  # one rank more is no size


def test_a_rank_is_no_larger_than_the_weights_have() -> None:
    assert SNELL().fit(10**9, SHAPES).rank == 12
    assert SNELL().fit(10**9, {"net/0": (1, 40)}).rank == 2


@pytest.mark.parametrize("form", ["code", "paper"])
@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_the_survivors_are_counted_beforehand_and_found(sparsity: float, form: str) -> None:
    method = SNELL(rank=4, sparsity=sparsity, form=form)  # type: ignore[arg-type]
    expected = method.footprint(SHAPES, PLAN)
    assert expected.estimated
    attachment = method.attach(components(), list(SHAPES), PLAN)
    measured = attachment.measured()
    assert measured.support == expected.support  # these few have no two of the same magnitude
    changed = sum(int(attachment.change(target).count_nonzero()) for target in SHAPES)
    assert changed == measured.support


def test_without_sparsity_the_update_is_dense() -> None:
    method = SNELL(rank=4, sparsity=0.0)
    expected = method.footprint(SHAPES, PLAN)
    assert (expected.support, expected.estimated) == (None, False)
    assert method.attach(components(), list(SHAPES), PLAN).measured() == expected


def test_its_size_is_said_in_rank_and_density() -> None:
    assert SNELL(rank=16, sparsity=0.9).knob(SHAPES) == "rank 16, density 10 %"
    assert SNELL(rank=16, sparsity=0.995).knob(SHAPES) == "rank 16, density 0.5 %"
    assert SNELL(rank=16, sparsity=0.0).knob(SHAPES) == "rank 16"


def test_settings_out_of_range_are_refused() -> None:
    for name, value in (("rank", 5), ("sparsity", 1.0), ("dropout", -0.1), ("weight_decay", -1.0)):
        with pytest.raises(SpecError, match=f"{name} is {value}"):
            SNELL(**{name: value})
    with pytest.raises(SpecError, match="zeroes all"):
        SNELL(sparsity=0.999, form="paper").footprint(SHAPES, PLAN)


def test_its_settings_reach_the_layers_and_the_optimizer() -> None:
    parts = components()
    method = SNELL(rank=4, sparsity=0.3, form="paper", dropout=0.2, drop_path=0.1, weight_decay=0.5)
    attachment = method.attach(parts, list(SHAPES), PLAN)
    settings = parts["net"][0].snell_settings["default"]  # type: ignore[index]
    assert settings == method._settings()
    assert attachment.optimizer(1e-3).param_groups[0]["weight_decay"] == 0.5
    attachment.remove(keep=False)
