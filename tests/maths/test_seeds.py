"""Keyed draws repeat and differ."""

import torch

from sparse_peft.maths.seeds import keyed_generator


def drawn(*key: int, purpose: str = "test") -> torch.Tensor:
    return torch.randn(4, generator=keyed_generator(purpose, *key))


def test_the_same_key_draws_the_same() -> None:
    assert torch.equal(drawn(1, 2), drawn(1, 2))


def test_any_difference_draws_something_else() -> None:
    first = drawn(1, 2)
    others = [drawn(2, 1), drawn(1, 2 + 2**40), drawn(12), drawn(1, 2, purpose="other")]
    assert not any(torch.equal(first, other) for other in others)
