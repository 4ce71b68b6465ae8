import pytest
import torch
from torch import Tensor

from sparse_peft.maths import chunks
from sparse_peft.maths.kernels import compiled
from sparse_peft.maths.sampled_gradients import (
    plain_sampled_gradients,
    sampled_gradients,
    sampled_wavelet_gradients,
)
from sparse_peft.maths.wavelets.geometry import channels, geometry, locations
from sparse_peft.maths.wavelets.updates import plain_update

KERNELS = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(not compiled.installed(), reason="needs numba")),
]


@pytest.fixture(params=KERNELS, ids=["torch", "compiled"])
def kernels(request):
    with compiled.switched(request.param):
        yield request.param


def made(tokens: int, out: int, in_: int, count: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(tokens, in_, generator=generator).to(dtype)
    dy = torch.randn(tokens, out, generator=generator).to(dtype)
    rows = torch.randint(out, (count,), generator=generator)
    return x, dy, rows, torch.randint(in_, (count,), generator=generator)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("count", [40, 60])  # on either side of what is gathered and what is turned
@pytest.mark.parametrize("chunk", [1, 50, 10**9])
def test_sampled_entries_are_those_of_the_dense_gradient(count, chunk, monkeypatch):
    monkeypatch.setattr(chunks, "CPU_CHUNK", chunk * 40)
    for tokens in (0, 1, 123, 2000):
        x, dy, rows, columns = made(tokens, 30, 20, count, torch.float32)
        expected = plain_sampled_gradients(x.double(), dy.double(), rows, columns)
        result = sampled_gradients(x, dy, rows, columns)
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, expected.float(), rtol=1e-4, atol=1e-4)


def test_the_plain_twin_is_autograd():
    x, dy, rows, columns = made(9, 5, 6, 11, torch.float64)
    weight = torch.zeros(5, 6, dtype=torch.float64, requires_grad=True)
    (x @ weight.T).backward(dy)
    expected = weight.grad[rows, columns]
    torch.testing.assert_close(plain_sampled_gradients(x, dy, rows, columns), expected)


def test_sums_are_single_precision_for_lower_operands():
    x, dy, rows, columns = made(4000, 6, 6, 20, torch.bfloat16)
    exact = plain_sampled_gradients(x.double(), dy.double(), rows, columns)
    for part in (10, 20):
        result = sampled_gradients(x, dy, rows[:part], columns[:part])
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, exact[:part].float(), rtol=1e-4, atol=1e-3)


def test_sums_of_double_operands_are_double():
    x, dy, rows, columns = made(300, 6, 6, 20, torch.float64)
    for part in (10, 20):
        result = sampled_gradients(x, dy, rows[:part], columns[:part])
        expected = plain_sampled_gradients(x, dy, rows, columns)[:part]
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("kernels")
def test_operands_are_left_alone():
    x, dy, rows, columns = made(10, 6, 6, 8, torch.float32)
    before = x.clone(), dy.clone()
    sampled_gradients(x, dy, rows, columns)
    for family in ("db1", "db2", None):
        sampled_wavelet_gradients(x, dy, geometry((6, 6), 8, 0, family), 2.0)
    assert torch.equal(x, before[0])
    assert torch.equal(dy, before[1])


@pytest.mark.usefixtures("kernels")
def test_operands_may_be_strided():
    x, dy, rows, columns = made(12, 30, 20, 40, torch.float32)
    strided = x.T.contiguous().T, dy.repeat_interleave(2, 1)[:, ::2]
    expected = sampled_gradients(x, dy, rows, columns)
    torch.testing.assert_close(sampled_gradients(*strided, rows, columns), expected)
    where = geometry((30, 20), 40, 0, "db2")
    expected = sampled_wavelet_gradients(x, dy, where, 1.0)
    torch.testing.assert_close(sampled_wavelet_gradients(*strided, where, 1.0), expected)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("family", ["db1", "db2", "db4", "sym4", "coif3", "bior2.2", "db20"])
@pytest.mark.parametrize("shape", [(30, 20), (7, 9), (64, 33), (1, 1)])
def test_coefficient_gradients_are_those_of_the_dense_update(family, shape, monkeypatch):
    monkeypatch.setattr(chunks, "CPU_CHUNK", 1000)
    count = min(40, shape[0] * shape[1])
    places = locations(shape, count, 777)
    where = channels(shape, count, 777, family)
    for tokens in (50, 64, 300):
        x, dy, _, _ = made(tokens, shape[0], shape[1], 1, torch.float32)
        coefficients = torch.zeros(count, dtype=torch.float64, requires_grad=True)
        dense = dy.double().T @ x.double()
        plain_update(coefficients, places, shape, family, 1.0).backward(dense)
        result = sampled_wavelet_gradients(x, dy, where, 1.0)
        torch.testing.assert_close(result, coefficients.grad.float(), rtol=1e-4, atol=2e-4)
        exact = sampled_wavelet_gradients(x.double(), dy.double(), where, 1.0)
        torch.testing.assert_close(exact, coefficients.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("kernels")
def test_without_a_wavelet_the_coefficients_are_entries():
    x, dy, _, _ = made(50, 30, 20, 1, torch.float32)
    places = locations((30, 20), 40, 777)
    result = sampled_wavelet_gradients(x, dy, geometry((30, 20), 40, 777, None), 3.0)
    torch.testing.assert_close(result, 3 * plain_sampled_gradients(x, dy, *places))
