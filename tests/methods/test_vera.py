"""VeRA's two random matrices are shared, and come back from the seed that the file names."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods.adapters import open_adapter, write_card
from sparse_peft.methods.method import Plan
from sparse_peft.methods.vera import VeRA
from tests.methods.peft_folders import PLAN, SHAPES, TARGETS, components, inputs, trained

SHA = "0" * 64


def test_the_file_holds_two_vectors_a_weight_and_the_seed_of_the_rest(tmp_path: Path) -> None:
    method = VeRA(rank=50, projection_prng_key=9)
    attachment = trained(method, components())
    attachment.save(tmp_path)
    held = load_file(tmp_path / "net" / "adapter_model.safetensors")
    assert {tuple(tensor.shape) for tensor in held.values()} == {(18,), (8,), (50,)}
    config = json.loads((tmp_path / "net" / "adapter_config.json").read_text())
    assert config["projection_prng_key"] == 9
    assert not config["save_projection"]
    expected = method.footprint(SHAPES, PLAN)
    assert attachment.measured() == expected
    assert expected.stored == expected.active == 18 + 8 + 2 * 50


def test_the_seed_of_the_matrices_is_not_that_of_the_training() -> None:
    outputs = []
    for key, seed in [(0, 1), (0, 2), (1, 1)]:
        parts = components()
        trained(VeRA(rank=6, projection_prng_key=key), parts, Plan(PLAN.steps, seed))
        outputs.append(parts["net"](inputs()))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_a_file_of_another_rank_is_refused(tmp_path: Path) -> None:
    trained(VeRA(rank=6), components()).save(tmp_path)
    write_card(tmp_path, VeRA(rank=7), "toy", SHA, TARGETS, PLAN)
    with pytest.raises(BackboneError, match="its card calls for 40 values, its files hold 38"):
        open_adapter(tmp_path, components(), SHA)


def test_a_budget_becomes_the_largest_rank_within_it() -> None:
    assert VeRA().budget_range(SHAPES) == (28, 2)
    assert [VeRA().fit(budget, SHAPES).rank for budget in (28, 29, 30, 226)] == [1, 1, 2, 100]
    # With as many directions as the largest weight has entries, more say nothing new.
    assert VeRA().fit(10**9, SHAPES).rank == 18 * 12


@pytest.mark.parametrize(
    "settings", [{"rank": 0}, {"projection_prng_key": -1}, {"dropout": 1.0}, {"weight_decay": -1.0}]
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=f"^{next(iter(settings))} is "):
        VeRA(**settings)  # type: ignore[arg-type]


def test_shared_matrices_far_larger_than_the_weights_are_refused_before_they_are_made(
    tmp_path: Path,
) -> None:
    trained(VeRA(rank=6), components()).save(tmp_path)
    rank = 2**25 // 36 + 1  # as wide and as high as SHAPES at the most
    write_card(tmp_path, VeRA(rank=rank), "toy", SHA, TARGETS, PLAN)
    with pytest.raises(BackboneError, match=f"rank is {rank}; expected {rank - 1} at most here"):
        open_adapter(tmp_path, components(), SHA)
    thin = {"net/0": (4096, 4096)}
    assert VeRA().fit(10**9, thin).rank == 20 * 4096**2 // 8192
