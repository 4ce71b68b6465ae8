import hashlib

import ptwt
import pytest
import pywt
import torch
from peft import WaveFTConfig
from peft.tuners.waveft.layer import WaveFTLinear
from torch import Tensor

from sparse_peft.errors import SpecError
from sparse_peft.maths.wavelets.filters import FAMILIES, PEFT_FAMILIES, synthesis_filters
from sparse_peft.maths.wavelets.geometry import (
    channels,
    contributions,
    geometry,
    geometry_at,
    locations,
)
from sparse_peft.maths.wavelets.updates import dense_update, plain_update, touched_changes

SEED = 777
SCALING = 25.0
SHAPES = [(64, 48), (37, 91), (65, 64), (7, 9), (1, 1)]

# First places and sha256 of all 2592 (int64, little-endian), as PEFT 0.21.2 draws them.
PLACES = {
    (1280, 1280): ([325735, 1032654, 1000557, 315859], "3811c6505df6e248"),
    (1280, 2048): ([325735, 376659, 999963, 2281345], "fb8d02f0a9dec47d"),
    (640, 640): ([325735, 218538, 186113, 320593], "ac48b0872ec6ebc1"),
    (640, 2048): ([325735, 377718, 1000953, 971612], "b25f4e07fc030ede"),
}


def peft_update(shape: tuple[int, int], family: str, coefficients: Tensor) -> Tensor:
    count = coefficients.numel()
    config = WaveFTConfig(
        n_frequency=count, wavelet_family=family, random_loc_seed=SEED, scaling=SCALING
    )
    linear = torch.nn.Linear(shape[1], shape[0])
    layer = WaveFTLinear(linear, "default", config=config, n_frequency=count)
    layer.waveft_spectrum["default"].data = coefficients
    return layer.get_delta_weight("default").detach()


def some(shape: tuple[int, int], share: float = 0.1) -> Tensor:
    count = max(1, round(shape[0] * shape[1] * share))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, generator=generator, dtype=torch.float64)


def filled(shape: tuple[int, int], touched: Tensor, changes: Tensor) -> Tensor:
    return changes.new_zeros(shape[0] * shape[1]).index_copy(0, touched, changes).view(shape)


@pytest.mark.parametrize("shape", PLACES)
def test_places_are_those_of_peft_for_the_shapes_of_sdxl(shape):
    rows, columns = locations(shape, 2592, SEED)
    index = rows * shape[1] + columns
    first, digest = PLACES[shape]
    assert index[:4].tolist() == first
    assert hashlib.sha256(index.numpy().astype("<i8").tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_the_update_is_that_of_peft_for_every_family_and_odd_sizes(family):
    for shape in SHAPES:
        coefficients = some(shape)
        expected = peft_update(shape, family, coefficients)
        places = locations(shape, coefficients.numel(), SEED)
        plain = plain_update(coefficients, places, shape, family, SCALING)
        torch.testing.assert_close(plain, expected, rtol=0, atol=1e-9)

        for dtype, away in ((torch.float32, 1e-5), (torch.float64, 1e-9)):
            where = geometry(shape, coefficients.numel(), SEED, family, dtype)
            changes = touched_changes(where, coefficients, SCALING)
            assert changes.dtype == dtype
            result = filled(shape, where.touched, changes)
            torch.testing.assert_close(result, expected.to(dtype), rtol=away, atol=away)
        whole = dense_update(where, coefficients, SCALING)
        torch.testing.assert_close(whole, expected, rtol=0, atol=1e-9)


# The table of PEFT 0.21.2 holds db3 with 11 digits only.
@pytest.mark.parametrize("family", ["db1", "db2", "db4", "sym2", "sym4", "sym8", "coif1"])
@pytest.mark.parametrize("shape", [(64, 64), (65, 37), (96, 33)])
def test_in_double_precision_the_update_is_that_of_peft_to_twelve_digits(family, shape):
    coefficients = some(shape) / SCALING
    expected = peft_update(shape, family, coefficients)
    where = geometry(shape, coefficients.numel(), SEED, family, torch.float64)
    changes = touched_changes(where, coefficients, SCALING)
    torch.testing.assert_close(filled(shape, where.touched, changes), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        dense_update(where, coefficients, SCALING), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in PEFT_FAMILIES])
def test_families_beyond_those_of_peft_are_synthesised_as_by_pywavelets(family):
    shape = (23, 30)
    places = torch.tensor([[0, 5, 11, 12, 22], [29, 14, 3, 15, 8]])
    coefficients = torch.tensor([1.0, -2.0, 3.0, 0.5, 4.0], dtype=torch.float64)
    where = geometry_at(shape, places, family, torch.float64)
    whole = dense_update(where, coefficients, SCALING)
    changes = touched_changes(where, coefficients, SCALING)
    torch.testing.assert_close(filled(shape, where.touched, changes), whole)

    # The padded grid, as four bands of PyWavelets; its cH is our low-pass along rows.
    taps = len(synthesis_filters(family)[0])
    padded = [length + taps - 2 + (length + taps - 2) % 2 for length in shape]
    grid = torch.zeros(*padded, dtype=torch.float64)
    grid[places[0] + (padded[0] - 23) // 2, places[1] + (padded[1] - 30) // 2] = coefficients
    (low, right), (left, high) = (part.chunk(2, 1) for part in grid.chunk(2))
    full = pywt.waverec2([low.numpy(), (right.numpy(), left.numpy(), high.numpy())], family)
    start = [(have - want) // 2 for have, want in zip(full.shape, shape, strict=True)]
    cut = full[start[0] : start[0] + 23, start[1] : start[1] + 30]
    torch.testing.assert_close(whole, SCALING * torch.from_numpy(cut.copy()))


def test_without_a_wavelet_the_coefficients_are_entries_of_the_weight():
    shape, coefficients = (7, 9), some((7, 9))
    where = geometry(shape, coefficients.numel(), SEED, None, torch.float64)
    expected = torch.zeros(shape, dtype=torch.float64)
    expected[tuple(locations(shape, coefficients.numel(), SEED))] = SCALING * coefficients
    changes = touched_changes(where, coefficients, SCALING)
    assert torch.equal(filled(shape, where.touched, changes), expected)
    assert torch.equal(dense_update(where, coefficients, SCALING), expected)
    assert contributions(5, None) == 5
    assert contributions(5, "db2") == 80


def test_channels_are_those_of_the_geometry():
    for family in ("db2", None):
        light, whole = channels((9, 8), 20, SEED, family), geometry((9, 8), 20, SEED, family)
        assert torch.equal(light.row_channel, whole.row_channel)
        assert torch.equal(light.column_channel, whole.column_channel)


@pytest.mark.parametrize("family", ["db1", "db4", "coif2"])
def test_the_update_is_the_inverse_transform_of_pywavelets_and_ptwt(family):
    half, taps = 24, len(synthesis_filters(family)[0])
    size = 2 * half + 2 - taps  # the padded grid is then exactly the four half x half quadrants
    grid = torch.randn(2 * half, 2 * half, generator=torch.Generator().manual_seed(0)).double()
    inside = slice(taps // 2 - 1, taps // 2 - 1 + size)
    masked = torch.zeros_like(grid)
    masked[inside, inside] = grid[inside, inside]
    index = torch.arange(size * size)
    places = torch.stack([index // size, index % size])
    ours = plain_update(grid[inside, inside].flatten(), places, (size, size), family, 1.0)

    (low, top_right), (bottom_left, high) = (part.split(half, 1) for part in masked.split(half))
    arrays = [band.numpy() for band in (low, top_right, bottom_left, high)]
    expected = pywt.idwt2((arrays[0], tuple(arrays[1:])), family, mode="zero")
    torch.testing.assert_close(ours, torch.from_numpy(expected[:size, :size].copy()))
    second = ptwt.waverec2((low, (top_right, bottom_left, high)), family)
    torch.testing.assert_close(ours, second.squeeze()[:size, :size])


def test_a_haar_coefficient_is_a_block_of_four_equal_sizes():
    for row, column, signs in [
        (1, 2, [[1, 1], [1, 1]]),
        (1, 6, [[1, 1], [-1, -1]]),
        (5, 2, [[1, -1], [1, -1]]),
        (5, 6, [[1, -1], [-1, 1]]),
    ]:
        update = plain_update(
            torch.tensor([2.0]), torch.tensor([[row], [column]]), (8, 8), "db1", SCALING
        )
        expected = torch.zeros(8, 8)
        expected[2:4, 4:6] = SCALING * torch.tensor(signs)
        torch.testing.assert_close(update, expected)


def test_the_update_is_as_large_as_its_coefficients():
    for family in ("db1", "sym4"):
        where = geometry_at((64, 64), torch.tensor([[20, 40], [21, 41]]), family)
        coefficients = torch.tensor([3.0, 4.0])
        norm = touched_changes(where, coefficients, SCALING).norm()
        torch.testing.assert_close(norm, torch.tensor(SCALING * 5.0))


def test_the_touched_entries_are_counted_exactly():
    assert geometry((1280, 1280), 2592, SEED, "db1").touched.numel() == 10_344
    assert geometry((640, 640), 2592, SEED, "db1").touched.numel() == 10_272
    for family in ("db1", "db3"):
        where = geometry((37, 91), 40, SEED, family)
        dense = plain_update(
            some((37, 91), 40 / 37 / 91), locations((37, 91), 40, SEED), (37, 91), family, 1.0
        )
        assert set(dense.flatten().nonzero().flatten().tolist()) <= set(where.touched.tolist())
        assert where.touched.unique().equal(where.touched)


def test_an_unknown_family_is_refused_with_those_allowed():
    for family in ("coif18", "db39", "haar", "bior2.3"):
        with pytest.raises(SpecError, match=r"db1 to db38, .*dmey.* 6\.8"):
            synthesis_filters(family)


def test_the_families_are_the_discrete_ones_of_pywavelets():
    assert {*FAMILIES, "haar"} == set(pywt.wavelist(kind="discrete"))
    assert len(FAMILIES) == len(set(FAMILIES))
    assert set(PEFT_FAMILIES) < set(FAMILIES)


def test_filters_are_orthonormal():
    for family in PEFT_FAMILIES:
        low, high = (torch.tensor(f, dtype=torch.float64) for f in synthesis_filters(family))
        torch.testing.assert_close(low @ low, torch.tensor(1.0, dtype=torch.float64))
        torch.testing.assert_close(low @ high, torch.tensor(0.0, dtype=torch.float64))
        assert high.sum().abs() < 1e-9
