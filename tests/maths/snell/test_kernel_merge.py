"""The chunked merge and its closed-form gradients are those of the plain one under autograd."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sparse_peft.maths.snell import kernel_merge
from sparse_peft.maths.snell.competition import Competition
from sparse_peft.maths.snell.kernel_merge import kernel_gradients, plain_update, sparse_update

EXACT = 1e-10
COMPETITIONS = [Competition(0.0)] + [
    Competition(sparsity, form) for sparsity in (0.5, 0.9) for form in ("code", "paper")
]


def factors(out: int, into: int, rank: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(out * into + rank)
    return [
        (torch.rand(2, width, rank // 2, generator=generator, dtype=torch.float64) - 0.5)
        .to(dtype)
        .requires_grad_()
        for width in (into, out)
    ]


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=dtype)


def close(found: Tensor, expected: Tensor, tolerance: float = EXACT) -> None:
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("competition", COMPETITIONS, ids=str)
@pytest.mark.parametrize("shape", [(7, 5), (60, 41), (1, 9), (9, 1), (48, 96), (130, 3)])
def test_updates_and_gradients_are_those_of_autograd(
    shape: tuple[int, int], competition: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rank, entries in itertools.product((2, 4, 16), (1, 100, 2**16)):
        if competition.zeroed(shape[0] * shape[1]) == shape[0] * shape[1]:
            continue  # a weight of 9 entries has no tenth
        monkeypatch.setattr(kernel_merge, "CPU_ENTRIES", entries)
        a, b = factors(*shape, rank)
        weight, gradient = noise(*shape), noise(*shape).flip(0)
        expected = plain_update(a, b, competition)
        expected.backward(gradient)
        found, threshold = sparse_update(a, b, competition, weight)
        close(found, weight + expected)
        close(sparse_update(a, b, competition, threshold=threshold)[0], expected)
        for_a, for_b = kernel_gradients(a, b, competition, threshold, gradient, weight)
        assert torch.equal(gradient, found)  # the one matrix holds the update now
        close(for_a, a.grad)
        close(for_b, b.grad)


@pytest.mark.parametrize("competition", [COMPETITIONS[0], COMPETITIONS[2]], ids=str)
def test_gradients_are_the_slopes_of_the_function(competition: Competition) -> None:
    """Not of the released form, whose gradient is stopped; nor across a moving threshold."""
    a, b = (factor.detach() for factor in factors(5, 4, 6))
    gradient = noise(5, 4)
    threshold = 1.001 * sparse_update(a, b, competition)[1]  # no entry sits on the kink
    found = kernel_gradients(a, b, competition, threshold, gradient.clone())

    def value(one: Tensor, other: Tensor) -> float:
        return float((sparse_update(one, other, competition, None, threshold)[0] * gradient).sum())

    step = 1e-6
    for number, place in itertools.product((0, 1), (0, 7, 11)):
        sides = []
        for moved in (step, -step):
            both = [a.clone(), b.clone()]
            both[number].view(-1)[place] += moved
            sides.append(value(*both))
        slope = (sides[0] - sides[1]) / (2 * step)
        assert found[number].reshape(-1)[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_the_released_gradient_is_half_of_the_true_one() -> None:
    a, b = factors(12, 11, 8)
    competition, gradient = Competition(0.5, "code"), noise(12, 11)
    _, threshold = sparse_update(a, b, competition)
    found = kernel_gradients(a, b, competition, threshold, gradient.clone())
    merged = plain_update(a, b, Competition(0.0))
    (merged * merged.abs() * (merged.abs() > threshold) * gradient).sum().backward()
    close(2 * found[0], a.grad)
    close(2 * found[1], b.grad)


@pytest.mark.parametrize("competition", COMPETITIONS, ids=str)
def test_as_many_entries_survive_as_counted(competition: Competition) -> None:
    a, b = factors(40, 30, 8)
    found, _ = sparse_update(a, b, competition)
    assert int(found.count_nonzero()) == competition.survivors(1200)


def test_the_rank_is_not_bounded_by_that_of_the_factors() -> None:
    a, b = factors(40, 30, 4)
    merged, _ = sparse_update(a, b, Competition(0.0))
    assert int(torch.linalg.matrix_rank(merged, rtol=1e-6)) > 20


def test_where_rows_coincide_distances_are_zero_and_gradients_finite() -> None:
    for rank in (2, 8):
        a, b = factors(6, 6, rank)
        with torch.no_grad():
            b[:, 2:] = a[:, 2:]
            a[1], b[1] = 0.25, 0.25
        gradient = noise(6, 6)
        expected = plain_update(a, b, Competition(0.0))
        expected.backward(gradient)
        found, threshold = sparse_update(a, b, Competition(0.0))
        torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-8)
        pulls = kernel_gradients(a, b, Competition(0.0), threshold, gradient)
        for pull, factor in zip(pulls, (a, b), strict=True):
            torch.testing.assert_close(pull, factor.grad, rtol=0, atol=1e-6)


def test_factors_far_from_zero_lose_no_digits() -> None:
    a, b = factors(20, 30, 8, torch.float32)
    near, _ = sparse_update(a, b, Competition(0.0))
    far, _ = sparse_update(a + 64, b + 64, Competition(0.0))
    torch.testing.assert_close(near, far, rtol=0, atol=3e-6)


def test_what_is_not_finite_stays_so() -> None:
    a, b = factors(20, 30, 8)
    with torch.no_grad():
        b[0, 3, 1] = float("nan")
    for competition in COMPETITIONS:
        assert sparse_update(a, b, competition)[0][3].isnan().any()


@pytest.fixture
def few_digits() -> Iterator[None]:
    """As if someone had asked for fast products in fp32."""
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    yield
    torch.backends.mkldnn.matmul.fp32_precision = "none"


@pytest.mark.usefixtures("few_digits")
def test_rounded_products_are_not_used_for_distances() -> None:
    a, b = factors(20, 30, 8, torch.float32)
    exact = plain_update(a.double(), b.double(), Competition(0.0)).detach()
    assert kernel_merge.rounds_products(a.device)
    found, threshold = sparse_update(a, b, Competition(0.0))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-7)
    pulls = kernel_gradients(a, b, Competition(0.0), threshold, noise(20, 30, dtype=torch.float32))
    assert all(pull.dtype == torch.float32 for pull in pulls)


def test_a_gradient_in_half_precision_is_taken() -> None:
    a, b = factors(20, 30, 8, torch.float32)
    competition = Competition(0.5, "code")
    whole = noise(20, 30, dtype=torch.float32).bfloat16()
    _, threshold = sparse_update(a, b, competition)
    expected = kernel_gradients(a, b, competition, threshold, whole.float())
    found = kernel_gradients(a, b, competition, threshold, whole)
    for left, right in zip(found, expected, strict=True):
        close(left, right, 1e-6)
    assert whole.dtype == torch.bfloat16


def test_the_same_factors_give_the_same_bits_under_autocast() -> None:
    a, b = factors(20, 30, 8, torch.float32)
    expected, _ = sparse_update(a, b, COMPETITIONS[1])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sparse_update(a, b, COMPETITIONS[1])[0], expected)
