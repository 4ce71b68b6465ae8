import pytest
import torch
from torch import Tensor

from sparse_peft.maths import sampled_gradients as module
from sparse_peft.maths.sampled_gradients import (
    plain_sampled_gradients,
    sampled_gradients,
    sampled_wavelet_gradients,
)
from sparse_peft.maths.wavelets import geometry, locations, plain_update


def made(tokens: int, out: int, in_: int, count: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(tokens, in_, generator=generator).to(dtype)
    dy = torch.randn(tokens, out, generator=generator).to(dtype)
    rows = torch.randint(out, (count,), generator=generator)
    return x, dy, rows, torch.randint(in_, (count,), generator=generator)


@pytest.mark.parametrize("chunk", [1, 50, 10**9])
def test_sampled_entries_are_those_of_the_dense_gradient(chunk, monkeypatch):
    monkeypatch.setattr(module, "CPU_CHUNK", chunk * 40)
    x, dy, rows, columns = made(123, 30, 20, 40, torch.float32)
    expected = plain_sampled_gradients(x.double(), dy.double(), rows, columns)
    result = sampled_gradients(x, dy, rows, columns)
    torch.testing.assert_close(result, expected.float(), rtol=1e-5, atol=1e-5)


def test_the_plain_twin_is_autograd():
    x, dy, rows, columns = made(9, 5, 6, 11, torch.float64)
    weight = torch.zeros(5, 6, dtype=torch.float64, requires_grad=True)
    (x @ weight.T).backward(dy)
    expected = weight.grad[rows, columns]
    torch.testing.assert_close(plain_sampled_gradients(x, dy, rows, columns), expected)


def test_sums_are_single_precision_whatever_the_operands():
    x, dy, rows, columns = made(4000, 6, 6, 20, torch.bfloat16)
    exact = plain_sampled_gradients(x.double(), dy.double(), rows, columns)
    result = sampled_gradients(x, dy, rows, columns)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, exact.float(), rtol=1e-4, atol=1e-3)


def test_operands_are_left_alone():
    x, dy, rows, columns = made(10, 6, 6, 8, torch.float32)
    before = x.clone(), dy.clone()
    sampled_gradients(x, dy, rows, columns)
    sampled_wavelet_gradients(x, dy, geometry((6, 6), 8, 0, "db1"), 2.0)
    assert torch.equal(x, before[0])
    assert torch.equal(dy, before[1])


@pytest.mark.parametrize("family", ["db1", "db4", "sym4", "coif3"])
@pytest.mark.parametrize("shape", [(30, 20), (7, 9)])
def test_coefficient_gradients_are_those_of_the_dense_update(family, shape, monkeypatch):
    monkeypatch.setattr(module, "CPU_CHUNK", 1000)
    x, dy, _, _ = made(50, shape[0], shape[1], 1, torch.float32)
    places = locations(shape, 40, 777)
    coefficients = torch.zeros(40, dtype=torch.float64, requires_grad=True)
    plain_update(coefficients, places, shape, family, 25.0).backward(dy.double().T @ x.double())
    result = sampled_wavelet_gradients(x, dy, geometry(shape, 40, 777, family), 25.0)
    torch.testing.assert_close(result, coefficients.grad.float(), rtol=1e-4, atol=2e-3)
