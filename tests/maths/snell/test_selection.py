"""The threshold equals what sorting everything gives, at any size."""

import math

import pytest
import torch
from torch import Tensor

from sparse_peft.maths.snell import selection
from sparse_peft.maths.snell.competition import Competition
from sparse_peft.maths.snell.selection import by_digits, magnitudes_at, threshold_of

ABOVE_QUANTILE = (4097, 4096)  # torch.quantile takes at most 2^24 entries


def drawn(shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype) * 1e-3


def in_order(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    sizes = matrix.abs().flatten().sort().values
    return sizes[rank], sizes[min(rank + 1, len(sizes) - 1)]


def agrees(matrix: Tensor) -> None:
    """Both ways give what sorting gives, at both ends and between."""
    sizes, last = matrix.abs().flatten().sort().values, matrix.numel() - 1
    for rank in {0, 1, last // 3, last // 2, int(0.9 * last), last - 1, last}:
        expected = sizes[rank], sizes[min(rank + 1, last)]
        assert magnitudes_at(matrix, rank) == expected
        assert by_digits(matrix.flatten(), rank) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 2), (3, 5), (70, 33), (513, 300)])
def test_magnitudes_are_those_of_a_sort(shape: tuple[int, int], dtype: torch.dtype) -> None:
    agrees(drawn(shape, dtype))


def test_equal_magnitudes_count_one_by_one() -> None:
    matrix = drawn((300, 300)).mul(2000).round()
    assert 1 < matrix.abs().unique().numel() < 20
    agrees(matrix)
    agrees(torch.zeros(300, 300))


def test_a_sample_that_misleads_costs_time_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selection, "SAMPLE", 64)
    matrix = drawn((64, 63))
    matrix.view(-1)[::64] = 1e3  # 64 and 63 have no common factor: the sample sees these alone
    low, _ = selection._bracket(matrix.flatten().numpy(), 63, 2000)
    assert low == pytest.approx(1e3)
    whole = []
    partitioned = selection._partitioned
    monkeypatch.setattr(
        selection, "_partitioned", lambda v, *r: (whole.append(len(v)), partitioned(v, *r))[1]
    )
    assert magnitudes_at(matrix, 2000) == in_order(matrix, 2000)
    assert whole == [matrix.numel()]


def test_few_entries_are_left_to_select_among(monkeypatch: pytest.MonkeyPatch) -> None:
    selected = []
    partitioned = selection._partitioned
    monkeypatch.setattr(
        selection, "_partitioned", lambda v, *r: (selected.append(len(v)), partitioned(v, *r))[1]
    )
    matrix = drawn((1000, 1000))
    assert magnitudes_at(matrix, 900_000) == in_order(matrix, 900_000)
    assert len(selected) == 1
    assert selected[0] < 0.02 * matrix.numel()


def test_what_is_not_a_number_comes_last_and_is_seen() -> None:
    matrix = drawn((300, 300))
    matrix[3, 4] = math.nan
    assert magnitudes_at(matrix, 89_998)[0] == matrix.abs().nan_to_num(0).max()
    assert math.isnan(magnitudes_at(matrix, 89_998)[1])
    assert math.isnan(magnitudes_at(torch.full((300, 300), math.nan), 7)[0])


def test_a_rank_that_is_none_is_refused() -> None:
    for rank in (-1, 6):
        with pytest.raises(ValueError, match="6 magnitudes"):
            magnitudes_at(drawn((2, 3)), rank)


@pytest.mark.parametrize("sparsity", [0.001, 0.3, 0.5, 0.75, 0.9, 0.995])
@pytest.mark.parametrize("shape", [(2, 5), (40, 31), (400, 300)])
def test_thresholds_are_the_quantile_and_the_order_statistic(
    shape: tuple[int, int], sparsity: float
) -> None:
    matrix = drawn(shape, torch.float64)
    sizes = matrix.abs().flatten()
    code = threshold_of(matrix, Competition(sparsity, "code"))
    assert code == torch.quantile(sizes, sparsity)
    paper = threshold_of(matrix, Competition(sparsity, "paper"))
    assert int((sizes <= paper).sum()) == Competition(sparsity, "paper").zeroed(sizes.numel())
    assert paper in sizes


def test_in_single_precision_the_quantile_is_as_close_as_torch_rounds_its_rank() -> None:
    matrix = drawn((400, 300))
    found = threshold_of(matrix, Competition(0.9, "code"))
    low, high = in_order(matrix, int(0.9 * (matrix.numel() - 1)))
    assert low <= found <= high
    torch.testing.assert_close(found, torch.quantile(matrix.abs(), 0.9), rtol=1e-5, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["code", "paper"])
def test_a_matrix_too_large_for_a_quantile_has_its_threshold(form: str) -> None:
    matrix = torch.empty(ABOVE_QUANTILE).uniform_(generator=torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError, match="too large"):
        torch.quantile(matrix, 0.9)
    competition = Competition(0.9, form)  # type: ignore[arg-type]
    left = int((matrix > threshold_of(matrix, competition)).sum())
    assert left == pytest.approx(competition.survivors(matrix.numel()), abs=2)  # fp32 has ties


@pytest.mark.slow
def test_digits_are_counted_right_above_what_single_precision_counts() -> None:
    matrix = torch.empty(ABOVE_QUANTILE).uniform_(generator=torch.Generator().manual_seed(0))
    rank = int(0.999 * matrix.numel())
    assert by_digits(matrix.flatten(), rank) == magnitudes_at(matrix, rank)


@pytest.mark.gpu
def test_on_cuda_nothing_waits_and_the_magnitudes_are_the_same() -> None:
    matrix = drawn((513, 300))
    there = matrix.cuda()
    torch.cuda.set_sync_debug_mode("error")
    found = magnitudes_at(there, 100_000)
    torch.cuda.set_sync_debug_mode("default")
    assert tuple(value.cpu() for value in found) == in_order(matrix, 100_000)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_not_a_number_is_larger_than_all_numbers(dtype: torch.dtype) -> None:
    matrix = torch.tensor([[2.0, -torch.nan, -1.0, torch.inf, torch.nan]], dtype=dtype)
    expected = torch.tensor([1.0, 2.0, torch.inf, torch.nan, torch.nan, torch.nan], dtype=dtype)
    for rank in range(5):
        for found in (magnitudes_at(matrix, rank), by_digits(matrix.flatten(), rank)):
            torch.testing.assert_close(
                torch.stack(found), expected[rank : rank + 2], equal_nan=True
            )
