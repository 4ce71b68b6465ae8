import pytest
import torch

from sparse_peft.maths.kernels import compiled
from sparse_peft.maths.wavelets.geometry import geometry
from sparse_peft.maths.wavelets.updates import dense_update, write_update

SHAPE = (45, 70)


def written(family: str | None, kernels: bool, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(SHAPE, generator=generator).to(dtype)
    coefficients = torch.randn(900, generator=generator)
    where = geometry(SHAPE, 900, 777, family)
    originals = weight.view(-1)[where.touched]
    with compiled.switched(kernels):
        write_update(weight, originals, where, coefficients, 0.37)
        write_update(weight, originals, where, coefficients, 3.7)  # on top of the originals again
    return weight


@pytest.mark.parametrize("family", [None, "db1", "db4"])
def test_the_update_is_added_to_the_originals(family):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(SHAPE, generator=generator)
    coefficients = torch.randn(900, generator=generator)
    where = geometry(SHAPE, 900, 777, family)
    expected = weight.double() + dense_update(where, coefficients.double(), 3.7)
    torch.testing.assert_close(written(family, kernels=False).double(), expected, rtol=0, atol=1e-5)


@pytest.mark.skipif(not compiled.installed(), reason="needs numba")
@pytest.mark.parametrize("family", [None, "db1", "db4"])
def test_the_bits_are_the_same_with_kernels(family):
    assert torch.equal(written(family, kernels=True), written(family, kernels=False))


def test_a_weight_of_half_precision_is_rounded_once():
    weight = written("db1", kernels=True, dtype=torch.bfloat16)
    where = geometry(SHAPE, 900, 777, "db1")
    generator = torch.Generator().manual_seed(0)
    original = torch.randn(SHAPE, generator=generator).bfloat16()
    coefficients = torch.randn(900, generator=generator)
    exact = original.float() + dense_update(where, coefficients, 3.7)
    assert weight.dtype == torch.bfloat16
    # Half a unit in the last place of bfloat16, and the rounding of the sums in single precision.
    assert ((weight.float() - exact).abs() <= exact.abs() * 2**-8 + 1e-6).all()
