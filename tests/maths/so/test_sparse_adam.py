import pytest
import torch
from torch import Tensor

from sparse_peft.maths.so.sparse_adam import (
    Adam,
    Moments,
    PlainState,
    plain_sparse_adam,
    sparse_adam,
)
from sparse_peft.maths.so.support_sizes import entries_kept, expected_union
from sparse_peft.maths.so.supports import draw_support

STEPS = 60


def both(
    size: int,
    density: float,
    refresh_steps: int,
    prune: str,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """The same three tensors after the same gradients: fast and together, plain and one by one."""
    generator = torch.Generator().manual_seed(0)
    count, tensors = entries_kept(size, density), 3
    fast = torch.randn(tensors, size, generator=generator, dtype=dtype)
    plain = fast.double()
    states = [
        PlainState(torch.zeros(size).double(), torch.zeros(size).double(), torch.zeros(size) > 0)
        for _ in range(tensors)
    ]
    for number in range(STEPS):
        adam = Adam(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, step=number + 1)
        if number % refresh_steps == 0:
            drawn = number // refresh_steps
            support = torch.stack([draw_support(size, count, 0, t, drawn) for t in range(tensors)])
        if number == 0:
            nothing = torch.zeros(tensors, count, dtype=dtype)
            moments = Moments(support.clone(), nothing, nothing.clone())
        gradient = torch.randn(tensors, size, generator=generator, dtype=dtype)
        sampled = gradient.gather(1, support.long())
        moments, index, change = sparse_adam(moments, support, sampled, adam, prune)
        fast.scatter_add_(1, index.long(), change)
        for row, state in enumerate(states):
            mask = torch.zeros(size, dtype=torch.bool)
            mask[support[row].long()] = True
            plain[row] = plain_sparse_adam(
                plain[row], gradient[row].double(), mask, state, adam, prune
            )
    return fast, plain


@pytest.mark.parametrize("prune", ["after", "before"])
@pytest.mark.parametrize(
    ("density", "refresh_steps"),
    [(0.05, 5), (0.05, 1), (0.3, 7), (1.0, 5), (0.001, 4), (0.02, 100)],
)
def test_the_fast_step_is_the_plain_one(density, refresh_steps, prune):
    fast, plain = both(400, density, refresh_steps, prune)
    torch.testing.assert_close(fast, plain.float(), rtol=0, atol=5e-6)
    exact = both(400, density, refresh_steps, prune, torch.float64)
    torch.testing.assert_close(*exact, rtol=0, atol=1e-12)


def test_the_two_ways_to_prune_differ_once_a_support_is_redrawn():
    after, _ = both(400, 0.05, 5, "after")
    before, _ = both(400, 0.05, 5, "before")
    assert (after - before).abs().max() > 1e-2
    assert both(400, 0.05, 100, "after")[0].equal(both(400, 0.05, 100, "before")[0])


def test_a_fresh_entry_late_in_training_moves_by_more_than_the_learning_rate():
    # Its second moment has no history but is corrected as if it had: towards 0.1 / sqrt(0.001).
    for step, factor in [(1, 1.0), (10, 0.4844), (1000, 2.515), (100_000, 3.162)]:
        moments = Moments(torch.tensor([[0]]).int(), torch.zeros(1, 1), torch.zeros(1, 1))
        adam = Adam(lr=1.0, betas=(0.9, 0.999), eps=0.0, step=step)
        support, gradient = torch.tensor([[1]]).int(), torch.tensor([[5.0]])
        _, _, change = sparse_adam(moments, support, gradient, adam, "after")
        assert change[0, 1].item() == pytest.approx(-factor, rel=1e-3)


def test_entries_are_rounded_down_but_never_to_none():
    assert entries_kept(768 * 768, 5e-5) == 29
    assert entries_kept(3072 * 768, 1 - 0.99995) == 117
    assert entries_kept(100, 5e-5) == 1
    assert entries_kept(7, 1.0) == 7


@pytest.mark.parametrize(("size", "count"), [(1000, 10), (1000, 249), (1000, 600), (5, 5), (1, 1)])
def test_a_support_is_distinct_ascending_and_its_own(size, count):
    support = draw_support(size, count, 1, 2, 3)
    assert support.dtype == torch.int32
    assert support.unique().equal(support)
    assert support.numel() == count
    assert 0 <= int(support.min()) <= int(support.max()) < size
    assert draw_support(size, count, 1, 2, 3).equal(support)
    if count < size:
        others = [(0, 2, 3), (1, 3, 3), (1, 2, 4)]
        assert not any(draw_support(size, count, *key).equal(support) for key in others)


@pytest.mark.parametrize("count", [8, 40])
def test_every_entry_is_as_likely_as_any_other(count):
    draws, size = 4000, 100
    hits = torch.zeros(size)
    for number in range(draws):
        hits[draw_support(size, count, 0, 0, number).long()] += 1
    share = count / size
    assert (hits / draws - share).abs().max() < 5 * (share * (1 - share) / draws) ** 0.5


def test_drawing_ignores_and_spares_the_global_generator():
    torch.manual_seed(1)
    first = draw_support(1000, 10, 0, 0, 0)
    expected = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1).equal(expected)
    assert draw_support(1000, 10, 0, 0, 0).equal(first)


def test_the_expected_union_is_what_drawing_gives():
    size, count, refreshes = 20_000, 400, 50
    union = torch.cat([draw_support(size, count, 0, 0, r) for r in range(refreshes)]).unique()
    assert expected_union(size, count, refreshes) == pytest.approx(union.numel(), rel=0.02)
    assert expected_union(size, size, 3) == size
    assert expected_union(size, count, 1) == pytest.approx(count)


@pytest.mark.parametrize("prune", ["after", "before"])
def test_without_eps_what_does_not_move_stays_a_number(prune):
    support = torch.tensor([[0, 1, 2]]).int()
    moments = Moments(support.clone(), torch.zeros(1, 3), torch.zeros(1, 3))
    adam = Adam(lr=0.1, betas=(0.9, 0.999), eps=0.0, step=1)
    _, index, change = sparse_adam(moments, support, torch.ones(1, 3), adam, prune)
    moved = torch.zeros(3).index_add_(0, index[0], change[0])
    torch.testing.assert_close(moved, torch.full((3,), -0.1))
