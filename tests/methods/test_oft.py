"""OFT turns weights in blocks that divide each layer's inputs."""

import peft
import pytest
import torch

from sparse_peft.errors import SpecError
from sparse_peft.methods.oft import OFT
from tests.methods.peft_folders import LR, PLAN, SHAPES, TARGETS, components, loss, trained


def test_a_layer_takes_the_nearest_block_size_that_divides_its_inputs() -> None:
    parts = components()
    attachment = OFT(block_size=5).attach(parts, TARGETS, PLAN)
    sizes = [parts["net"][at].oft_block_size["default"] for at in (0, 2)]
    assert sizes == [4, 6]  # of 12 and 18 inputs
    count = 12 // 4 * (4 * 3 // 2) + 18 // 6 * (6 * 5 // 2)
    assert attachment.measured().active == OFT(block_size=5).footprint(SHAPES, PLAN).active == count


def test_the_knob_names_the_blocks_that_the_layers_take() -> None:
    assert OFT(block_size=5).knob(SHAPES) == "blocks of 4 to 6"
    assert OFT(block_size=5).knob({"net/a": (8, 12)}) == "blocks of 4"


def test_lengths_and_angles_of_the_outputs_stay() -> None:
    parts = components()
    before = parts["net"][0].weight.clone().double()
    attachment = OFT(block_size=4).attach(parts, TARGETS, PLAN)
    optimizer = attachment.optimizer(LR / 10)  # PEFT's Cayley series is exact for small turns only
    for _ in range(5):
        loss(parts["net"]).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = before + attachment.change("net/0")
    assert (after - before).abs().max() > 1e-3
    torch.testing.assert_close(after @ after.T, before @ before.T, rtol=1e-4, atol=1e-5)


def test_the_change_is_what_merging_does_to_the_weight() -> None:
    parts = components()
    before = parts["net"][0].weight.clone()
    attachment = trained(OFT(block_size=6), parts)
    change = attachment.change("net/0")
    assert isinstance(parts["net"][0], peft.tuners.oft.Linear)
    attachment.remove(keep=True)
    torch.testing.assert_close(parts["net"][0].weight - before, change, rtol=1e-4, atol=1e-6)


def test_sizes_are_those_of_the_divisors() -> None:
    shapes = {"net/a": (8, 12)}
    counts = [OFT().fit(budget, shapes).footprint(shapes, PLAN).active for budget in (6, 12, 17)]
    assert counts == [6, 12, 12]
    assert [OFT().fit(b, shapes).block_size for b in (18, 29, 30, 66)] == [4, 4, 6, 12]
    assert OFT().budget_range(shapes) == (6, 6)


def test_inputs_that_cannot_be_cut_are_refused_in_words() -> None:
    # 7 has no divisor but 1 and itself: small blocks cannot be had, one large block can.
    assert OFT(block_size=6).footprint({"net/a": (3, 7)}, PLAN).active == 21
    with pytest.raises(SpecError, match="for 7 inputs the number nearest to 2 that divides them"):
        OFT(block_size=2).footprint({"net/a": (3, 7)}, PLAN)
    with pytest.raises(SpecError, match="too small for OFT: the smallest possible here is 21"):
        OFT().fit(20, {"net/a": (3, 7)})
    with pytest.raises(SpecError, match="block_size is 1"):
        OFT(block_size=1)
