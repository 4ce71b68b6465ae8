import pytest

from sparse_peft.maths.wavelets.counting import touched_count
from sparse_peft.maths.wavelets.geometry import geometry

SEED = 777


@pytest.mark.parametrize("family", ["db1", "db3", "coif1"])
@pytest.mark.parametrize("shape", [(37, 91), (64, 48)])
def test_counting_what_is_touched_needs_no_geometry(shape, family):
    for coefficients in (1, 2, 3, 4, 5, 63, 64, 65, 700, shape[0] * shape[1]):
        expected = geometry(shape, coefficients, SEED, family).touched.numel()
        assert touched_count(shape, coefficients, SEED, family) == expected


def test_without_a_wavelet_each_coefficient_touches_one_entry():
    assert touched_count((37, 91), 20, SEED, None) == 20
