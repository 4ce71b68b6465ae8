import os
import subprocess
import sys

import pytest
import torch

from sparse_peft.maths.kernels import triton_sampled
from sparse_peft.maths.sampled_gradients import (
    plain_sampled_gradients,
    sampled_gradients,
    sampled_wavelet_gradients,
)
from sparse_peft.maths.wavelets.geometry import channels

IN_THE_INTERPRETER = """
import torch
from sparse_peft.maths.kernels import compiled, triton_sampled
from sparse_peft.maths.sampled_gradients import plain_sampled_gradients, sampled_wavelet_gradients
from sparse_peft.maths.wavelets.geometry import channels

for dtype in (torch.float32, torch.bfloat16):
    for tokens, out, into, count in ((50, 37, 91, 80), (300, 64, 48, 70), (3, 1, 1, 1)):
        x, dy = torch.randn(tokens, into).to(dtype), torch.randn(tokens, out).to(dtype)
        exact = x.double(), dy.double()
        where = channels((out, into), count, 777, "db1")
        places = where.row_channel, where.column_channel
        expected = sampled_wavelet_gradients(*exact, where, 1.0).float()
        found = triton_sampled.sampled_haar(x, dy, *places)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        places = torch.randint(out, (count,)), torch.randint(into, (count,))
        expected = plain_sampled_gradients(*exact, *places).float()
        for operand in (x, x.T.contiguous().T):
            found = triton_sampled.sampled(operand, dy, *places)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
print("all close")
"""


@pytest.mark.slow
@pytest.mark.skipif(not triton_sampled.installed(), reason="needs Triton")
def test_in_the_interpreter_the_kernels_compute_what_torch_does():
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_INTERPRETER],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "all close", done.stderr


def test_a_cpu_is_not_theirs():
    assert not triton_sampled.takes(torch.zeros(2, 2), torch.zeros(2, 2))


@pytest.mark.gpu
@pytest.mark.parametrize("with_triton", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_on_cuda_both_ways_equal_the_cpu_and_wait_for_nothing(with_triton, dtype, monkeypatch):
    if not with_triton:
        monkeypatch.setattr(triton_sampled, "installed", lambda: False)
    x, dy = (torch.randn(700, size, device="cuda").to(dtype) for size in (90, 130))
    rows, columns = torch.randint(130, (300,)), torch.randint(90, (300,))
    exact = x.cpu().double(), dy.cpu().double()
    expected = [plain_sampled_gradients(*exact, rows, columns)]
    light = [channels((130, 90), 300, 777, family) for family in ("db1", "db4", None)]
    expected += [sampled_wavelet_gradients(*exact, where, 25.0) for where in light]
    there = [channels((130, 90), 300, 777, where.family, x.device) for where in light]
    places = rows.cuda(), columns.cuda()

    def found():
        wavelet = [sampled_wavelet_gradients(x, dy, where, 25.0) for where in there]
        return [sampled_gradients(x, dy, *places), *wavelet]

    found()  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        results = found()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result.cpu(), wanted.float(), rtol=1e-3, atol=1e-2)
    assert all(torch.equal(a, b) for a, b in zip(results, found(), strict=True))
