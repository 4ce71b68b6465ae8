import subprocess
import sys

import pytest
import torch

from sparse_peft.maths.kernels import compiled
from sparse_peft.maths.sampled_gradients import sampled_gradients, sampled_wavelet_gradients
from sparse_peft.maths.wavelets.geometry import channels

needs_numba = pytest.mark.skipif(not compiled.installed(), reason="needs numba")


def operands(tokens: int = 900) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(tokens, 40, generator=generator), torch.randn(
        tokens, 70, generator=generator
    )


@needs_numba
def test_they_take_contiguous_single_precision_and_only_when_switched_on():
    x, dy = operands()
    assert compiled.takes(x, dy)
    assert not compiled.takes(x.double(), dy)
    assert not compiled.takes(x, dy.bfloat16())
    assert not compiled.takes(x[:, ::2], dy)
    assert not compiled.takes(x.to("meta"), dy)
    with compiled.switched(False):
        assert not compiled.takes(x, dy)
        with compiled.switched(True):
            assert compiled.takes(x, dy)
        assert not compiled.takes(x, dy)
    assert compiled.takes(x, dy)


@needs_numba
def test_any_number_of_threads_gives_the_same_bits():
    x, dy = operands()
    rows, columns = torch.randint(70, (50,)), torch.randint(40, (50,))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(
                [
                    sampled_gradients(x, dy, rows, columns),
                    sampled_wavelet_gradients(x, dy, channels((70, 40), 50, 0, "db1"), 1.0),
                    sampled_wavelet_gradients(x, dy, channels((70, 40), 50, 0, "db4"), 1.0),
                ]
            )
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.slow
def test_nothing_is_compiled_or_imported_before_it_is_used():
    code = (
        "import sys; from sparse_peft.maths import sampled_gradients; "
        "print('numba' in sys.modules, 'triton' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_without_numba_torch_does_it(monkeypatch):
    compiled.installed.cache_clear()
    monkeypatch.setattr(compiled.util, "find_spec", lambda _: None)
    try:
        x, dy = operands()
        assert not compiled.takes(x, dy)
        where = channels((70, 40), 50, 0, "db4")
        expected = sampled_wavelet_gradients(x.double(), dy.double(), where, 1.0)
        found = sampled_wavelet_gradients(x, dy, where, 1.0)
        torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-3)
    finally:
        compiled.installed.cache_clear()
