import pytest
import torch

from sparse_peft.maths import chunks
from sparse_peft.maths.wavelets.geometry import channels
from sparse_peft.maths.wavelets.sparse_product import sparse_product, turned_sparse_product
from sparse_peft.maths.wavelets.updates import dense_update


@pytest.mark.parametrize("family", ["db1", "db4", "coif3", "bior2.2", None])
@pytest.mark.parametrize("shape", [(30, 21), (7, 9), (1, 1)])
def test_the_product_is_that_with_the_dense_update(family, shape, monkeypatch):
    monkeypatch.setattr(chunks, "CPU_CHUNK", 300)
    count = min(40, shape[0] * shape[1])
    where = channels(shape, count, 777, family)
    values = torch.randn(count, dtype=torch.float64)
    update = dense_update(where, values, 1.0)
    x = torch.randn(33, shape[1], dtype=torch.float64)
    dy = torch.randn(33, shape[0], dtype=torch.float64)
    torch.testing.assert_close(sparse_product(x, where, values), x @ update.T)
    torch.testing.assert_close(turned_sparse_product(dy, where, values), dy @ update)


def test_low_precision_is_summed_in_single_and_rounded_once():
    where = channels((30, 21), 40, 777, "db2")
    values, x = torch.randn(40), torch.randn(33, 21).bfloat16()
    found = sparse_product(x, where, values)
    assert found.dtype == torch.bfloat16
    expected = x.float() @ dense_update(where, values, 1.0).T
    torch.testing.assert_close(found, expected.bfloat16(), rtol=1e-2, atol=1e-3)
