"""FourierFT: a random start as published, or one from zero; small weights take all they hold."""

from pathlib import Path

import peft
import pytest
import torch
from torch import nn

from sparse_peft.errors import SpecError
from sparse_peft.methods.fourierft import FourierFT
from tests.methods.peft_folders import PLAN, SHAPES, TARGETS, components, inputs


def test_it_starts_at_random_as_published_or_at_the_base_if_asked() -> None:
    base = components()["net"](inputs())
    for zero in (False, True):
        parts = components()
        attachment = FourierFT(frequencies=9, init_weights=zero).attach(parts, TARGETS, PLAN)
        assert torch.equal(parts["net"](inputs()), base) == zero
        assert (attachment.change("net/0").abs().max() == 0) == zero


def test_the_change_is_the_inverse_fourier_transform_of_the_coefficients() -> None:
    parts = components()
    attachment = FourierFT(frequencies=9, scaling=7.0).attach(parts, TARGETS, PLAN)
    layer = parts["net"][0]
    grid = torch.zeros(18, 12, dtype=torch.float64)
    places = torch.randperm(18 * 12, generator=torch.Generator().manual_seed(777))[:9]
    grid.view(-1)[places] = layer.fourierft_spectrum["default"].detach().double()
    expected = 7.0 * torch.fft.ifft2(grid).real
    torch.testing.assert_close(attachment.change("net/0").double(), expected, rtol=0, atol=1e-6)


def test_a_small_weight_takes_what_it_can_hold_and_the_rest_goes_to_the_others() -> None:
    method = FourierFT().fit(350, SHAPES)
    assert method.counts(SHAPES) == [206, 144]
    attachment = method.attach(components(), TARGETS, PLAN)
    assert attachment.measured() == method.footprint(SHAPES, PLAN)


@pytest.mark.parametrize(
    "settings", [{"frequencies": 0}, {"scaling": 0.0}, {"random_loc_seed": -1}]
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=f"^{next(iter(settings))} is "):
        FourierFT(**settings)  # type: ignore[arg-type]


def test_weights_of_one_path_in_two_components_have_counts_of_their_own() -> None:
    shapes = {"text/0": (8, 8), "visual/0": (64, 64)}
    parts: dict[str, nn.Module] = {
        "text": nn.Sequential(nn.Linear(8, 8)), "visual": nn.Sequential(nn.Linear(64, 64))
    }  # fmt: skip
    method = FourierFT(frequencies=1000)
    attachment = method.attach(parts, list(shapes), PLAN)
    assert method.counts(shapes) == [64, 1000]
    assert attachment.measured() == method.footprint(shapes, PLAN)


def nested() -> nn.Module:
    """Paths that are ends of others, one that differs by its dot alone, and counts of all kinds."""
    sizes = {"fc": 8, "block.fc": 64, "block.inner.fc": 16, "inner.fc": 24, "blockxfc": 4}
    net = nn.Module()
    for path, size in sizes.items():
        *folders, last = path.split(".")
        place = net
        for folder in folders:
            if not hasattr(place, folder):
                place.add_module(folder, nn.Module())
            place = place.get_submodule(folder)
        place.add_module(last, nn.Linear(size, size))
    return net


def test_a_weight_whose_path_ends_another_ones_has_a_count_of_its_own(tmp_path: Path) -> None:
    targets = ["m/fc", "m/block.fc", "m/block.inner.fc", "m/inner.fc", "m/blockxfc"]
    method = FourierFT(frequencies=400)
    parts = {"m": nested()}
    attachment = method.attach(parts, targets, PLAN)
    wanted = {"fc": 64, "block.fc": 400, "block.inner.fc": 256, "inner.fc": 400, "blockxfc": 16}
    attachment.save(tmp_path)
    opened = peft.PeftModel.from_pretrained(nested(), tmp_path / "m")
    for net in (parts["m"], opened.base_model.model):
        for path, count in wanted.items():
            assert len(net.get_submodule(path).fourierft_spectrum["default"]) == count
