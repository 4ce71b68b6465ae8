import pytest
import pywt
import torch

from sparse_peft.maths.wavelets.analysis import analysed, channel, synthesised
from sparse_peft.maths.wavelets.axes import axis

LENGTHS = (1, 7, 16, 33, 100)


def in_bands(family: str, length: int) -> torch.Tensor:
    """The numbers of all channels: the low-pass ones by position, then the high-pass ones."""
    half = axis(length, family).half
    position = torch.arange(half)
    return torch.cat([channel(torch.full((half,), band), position) for band in (0, 1)])


@pytest.mark.parametrize("family", ["db1", "db2", "coif3", "bior2.2", "db20"])
@pytest.mark.parametrize("length", LENGTHS)
def test_synthesis_is_that_of_pywavelets_trimmed_as_peft_trims(family, length):
    number = in_bands(family, length)
    bands = torch.randn(number.numel(), 3, dtype=torch.float64)
    low, high = bands.chunk(2)
    full = pywt.idwt(low.numpy(), high.numpy(), family, mode="zero", axis=0)
    start = (full.shape[0] - length) // 2
    cut = torch.from_numpy(full[start : start + length].copy())
    count = axis(length, family).channels
    channels = torch.zeros(count, 3, dtype=torch.float64).index_copy(0, number, bands)
    torch.testing.assert_close(synthesised(channels, length, family), cut.T)


@pytest.mark.parametrize("family", ["db1", "db2", "coif3", "bior2.2", "db20"])
@pytest.mark.parametrize("length", LENGTHS)
def test_analysis_is_the_transpose_of_synthesis(family, length):
    x = torch.randn(3, length, dtype=torch.float64)
    found = analysed(x, family)
    y = torch.zeros_like(found)
    number = in_bands(family, length)
    y[number] = torch.randn(number.numel(), 3, dtype=torch.float64)
    torch.testing.assert_close((found * y).sum(), (synthesised(y, length, family) * x).sum())


def test_operands_may_be_strided_and_memory_may_be_given():
    x = torch.randn(40, 12).T
    memory = torch.empty(48, 12)
    assert analysed(x, "db2", out=memory) is memory
    torch.testing.assert_close(memory, analysed(x.contiguous(), "db2"))


def test_autocast_does_not_round_the_operands():
    x = torch.randn(5, 50)
    expected = analysed(x, "db4"), synthesised(analysed(x, "db4"), 50, "db4")
    with torch.autocast("cpu", torch.bfloat16):
        found = analysed(x, "db4"), synthesised(analysed(x, "db4"), 50, "db4")
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
