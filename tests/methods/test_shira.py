"""SHiRA's places are drawn by the plan's seed, kept in the file, and checked when it is opened."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods.adapters import open_adapter, write_card
from sparse_peft.methods.method import Plan
from sparse_peft.methods.shira import SHiRA
from tests.methods.peft_folders import PLAN, SHAPES, TARGETS, components, inputs, trained

SHA = "0" * 64
INDICES = "base_model.model.2.shira_indices"


def saved(folder: Path) -> Path:
    trained(SHiRA(rank=2), components()).save(folder)
    write_card(folder, SHiRA(rank=2), "toy", SHA, TARGETS, PLAN)
    return folder / "net" / "adapter_model.safetensors"


def test_as_many_entries_change_as_lora_has_values_and_the_file_says_which(tmp_path: Path) -> None:
    attachment = trained(SHiRA(rank=2), components())
    assert [int((attachment.change(t) != 0).sum()) for t in TARGETS] == [60, 52]
    assert attachment.measured() == SHiRA(rank=2).footprint(SHAPES, PLAN)
    assert attachment.measured().support == 112
    assert attachment.measured().stored == 3 * 112
    held = load_file(saved(tmp_path))
    assert held[INDICES].shape == (2, 52)
    row, column = held[INDICES].long()
    assert set(zip(*(side.tolist() for side in (row, column)), strict=True)) == {
        tuple(place) for place in attachment.change("net/2").nonzero().tolist()
    }


def test_the_places_follow_from_the_seed_of_the_plan() -> None:
    places = [
        trained(SHiRA(rank=1), components(), Plan(1, seed)).change("net/0") != 0
        for seed in (1, 1, 2)
    ]
    assert torch.equal(places[0], places[1])
    assert not torch.equal(places[0], places[2])


def test_a_file_brings_its_own_places(tmp_path: Path) -> None:
    """PEFT's own files do not say which seed drew them."""
    parts = components()
    trained(SHiRA(rank=2), parts, Plan(PLAN.steps, 77)).save(tmp_path)
    write_card(tmp_path, SHiRA(rank=2), "toy", SHA, TARGETS, PLAN)
    fresh = components()
    open_adapter(tmp_path, fresh, SHA)
    torch.testing.assert_close(fresh["net"](inputs()), parts["net"](inputs()))


@pytest.mark.parametrize(
    ("place", "value"), [((0, 51), 8), ((1, 51), 18), ((0, 0), -1), ((0, 51), 0)]
)
def test_places_outside_the_weight_or_named_twice_are_refused(
    tmp_path: Path, place: tuple[int, int], value: int
) -> None:
    path = saved(tmp_path)
    tensors = load_file(path)
    tensors[INDICES][place] = value
    save_file(tensors, path)
    parts = components()
    base = parts["net"](inputs())
    with pytest.raises(BackboneError, match="do not fit its card"):
        open_adapter(tmp_path, parts, SHA)
    assert torch.equal(parts["net"](inputs()), base)


def test_a_rank_for_which_a_weight_has_no_room_is_refused_in_words() -> None:
    assert SHiRA().fit(10**9, SHAPES).rank == 5
    with pytest.raises(SpecError, match="rank is 6; the smallest weight has room for 5"):
        SHiRA(rank=6).attach(components(), TARGETS, PLAN)
    with pytest.raises(SpecError, match="SHiRA needs 11 places at least in net/a, whose shape"):
        SHiRA().fit(100, {"net/a": (1, 10)})
    with pytest.raises(SpecError, match="rank is 0"):
        SHiRA(rank=0)
