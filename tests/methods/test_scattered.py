"""WaveFT and its baseline in the weight: what they share, and where they differ."""

import pytest
import torch
from torch import nn

from sparse_peft.errors import SpecError
from sparse_peft.methods.method import Plan
from sparse_peft.methods.sparse_weight import SparseWeight
from sparse_peft.methods.waveft import WaveFT

SHAPES = {"net/a": (16, 16), "net/b": (16, 16), "net/c": (8, 16)}
PLAN = Plan(steps=1, seed=0)


def components() -> dict[str, nn.Module]:
    return {
        "net": nn.ModuleDict(
            {name[4:]: nn.Linear(into, out) for name, (out, into) in SHAPES.items()}
        )
    }


@pytest.mark.parametrize("kind", [WaveFT, SparseWeight])
@pytest.mark.parametrize("per_layer_seed", [False, True])
def test_the_changed_entries_are_those_that_were_counted(kind, per_layer_seed):
    chosen = kind(coefficients=20, per_layer_seed=per_layer_seed)
    attachment = chosen.attach(components(), list(SHAPES), PLAN)
    for leaf in attachment.leaves():
        leaf.data.normal_()
    changes = [attachment.change(target) for target in SHAPES]
    changed = sum(int((change != 0).sum()) for change in changes)
    expected = chosen.footprint(SHAPES, PLAN)
    assert attachment.measured() == expected
    assert changed <= (expected.support or 0) <= changed + 8  # Haar patches may cancel out
    places = [change != 0 for change in changes[:2]]
    assert torch.equal(*places) != per_layer_seed


def test_without_the_wavelet_as_many_entries_change_as_are_trained():
    footprint = SparseWeight(coefficients=20).footprint(SHAPES, PLAN)
    assert footprint.support == footprint.active == 60
    assert WaveFT(coefficients=20).footprint(SHAPES, PLAN).support > 150


def test_on_sdxl_as_many_values_as_lora_of_rank_one():
    sizes = {(1280, 1280): 360, (1280, 2048): 120, (640, 640): 60, (640, 2048): 20}
    shapes = {
        f"unet/{number}.{shape}": shape for shape, count in sizes.items() for number in range(count)
    }
    for kind in (WaveFT, SparseWeight):
        assert sum(kind().counts(shapes)) == 1_451_520
        assert kind().fit(1_451_520, shapes) == kind()
    assert sum(out + into for out, into in shapes.values()) == 1_451_520


def test_wrong_settings_are_refused():
    for kind in (WaveFT, SparseWeight):
        for wrong in ({"coefficients": 0}, {"scaling": 0.0}, {"random_loc_seed": -1}):
            with pytest.raises(SpecError, match=next(iter(wrong))):
                kind(**wrong)
    with pytest.raises(SpecError, match="db39"):
        WaveFT(wavelet_family="db39")


@pytest.mark.parametrize("kind", [WaveFT, SparseWeight])
def test_weights_of_one_path_in_two_components_have_counts_of_their_own(kind):
    shapes = {"text/0": (8, 8), "visual/0": (64, 64)}
    parts = {name[:-2]: nn.Sequential(nn.Linear(*shape)) for name, shape in shapes.items()}
    chosen = kind(coefficients=1000)
    assert chosen.counts(shapes) == [64, 1000]
    attachment = chosen.attach(parts, list(shapes), PLAN)
    assert attachment.measured() == chosen.footprint(shapes, PLAN)


def test_seeds_and_scales_beyond_all_use_are_refused():
    for wrong in ({"random_loc_seed": 2**63}, {"scaling": 1e308}, {"weight_decay": float("inf")}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            WaveFT(**wrong)
