"""Pair by pair: counts, words, Holm's correction, and what is never called clear."""

import numpy as np
import pytest

from sparse_peft.metrics import pairs


def column(gap: float, prompts: int = 8, seeds: int = 3, noise: float = 0.1, seed: int = 0):
    rng = np.random.default_rng(seed)
    return {0: gap + noise * rng.normal(size=(prompts, seeds))}


def test_wins_ties_and_of_are_counted_by_hand() -> None:
    a = {0: np.array([[0.3, 0.5, 0.1], [0.2, 0.2, 0.2]])}
    b = {0: np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.3]])}
    (pair,) = pairs.against({"a": a, "b": b}, "b")
    assert (pair.a, pair.b, pair.wins, pair.ties, pair.of) == ("a", "b", 3, 1, 6)
    assert pair.difference.mean == pytest.approx(0.0)


def test_a_clear_difference_is_clear_and_mirrors() -> None:
    columns = {"a": column(0.5), "b": column(0.0, seed=1)}
    (one,), (other,) = pairs.against(columns, "b"), pairs.against(columns, "a")
    assert one.word == other.word == "Clear"
    assert one.wins + other.wins + one.ties == one.of
    assert one.difference.mean == pytest.approx(-other.difference.mean)
    assert one.difference.low is not None
    assert one.difference.low > 0


def test_no_difference_cannot_be_told() -> None:
    same = column(0.0)
    (pair,) = pairs.against({"a": same, "b": same}, "b")
    assert (pair.wins, pair.ties, pair.word) == (0, 24, "Cannot tell")


@pytest.mark.parametrize(("prompts", "seeds"), [(5, 6), (7, 2)])
def test_few_prompts_or_few_pairs_are_never_clear(prompts: int, seeds: int) -> None:
    columns = {"a": column(0.9, prompts, seeds), "b": column(0.0, prompts, seeds, seed=1)}
    (pair,) = pairs.against(columns, "b")
    assert pair.wins == prompts * seeds
    assert pair.word == "Leaning"


def test_a_single_prompt_cannot_tell() -> None:
    columns = {"a": column(0.9, 1, 20), "b": column(0.0, 1, 20, seed=1)}
    (pair,) = pairs.against(columns, "b")
    assert pair.p is None
    assert pair.word == "Cannot tell"


def test_count_and_average_pointing_different_ways_cannot_tell() -> None:
    gap = np.full((8, 3), 0.01)
    gap[:, 0] = -0.5
    (pair,) = pairs.against({"a": {0: gap}, "b": {0: np.zeros((8, 3))}}, "b")
    assert pair.wins == 16
    assert pair.difference.mean < 0
    assert pair.word == "Cannot tell"


def test_holm_by_its_definition() -> None:
    assert pairs.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert pairs.holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert pairs.holm([]) == []


def test_more_methods_make_the_rule_stricter() -> None:
    rng = np.random.default_rng(0)
    near = {0: 0.11 + 0.14 * rng.normal(size=(8, 3))}
    zero = {0: np.zeros((8, 3))}
    others = {f"m{i}": column(0.0, noise=0.2, seed=i) for i in range(6)}
    (alone,) = pairs.against({"a": near, "b": zero}, "b")
    among = pairs.against({"a": near, "b": zero} | others, "b")[0]
    assert alone.p == among.p
    assert alone.word == "Clear"
    assert among.word != "Clear"


def test_the_base_is_a_reference_and_never_compared() -> None:
    columns = {name: column(0.0, seed=i) for i, name in enumerate(("base", "x", "y"))}
    found = [(pair.a, pair.b) for pair in pairs.all_pairs(columns, "base")]
    assert found == [("y", "x"), ("x", "y"), ("x", "base"), ("y", "base")]


def test_training_seeds_are_paired_with_their_own() -> None:
    a, b = {0: np.ones((6, 3)), 1: np.zeros((6, 3))}, {1: np.ones((6, 3)), 2: np.ones((6, 3))}
    (pair,) = pairs.against({"a": a, "b": b}, "b")
    assert (pair.wins, pair.of) == (0, 18)
    assert pairs.against({"a": {0: a[0]}, "b": {2: b[2]}}, "b") == []


def test_under_no_difference_clear_is_rare() -> None:
    rng = np.random.default_rng(4)
    clear = 0
    for _ in range(120):
        columns = {
            name: {0: 0.5 * rng.normal(size=(8, 1)) + 0.5 * rng.normal(size=(8, 3))}
            for name in ("a", "b", "c")
        }
        clear += any(pair.word == "Clear" for pair in pairs.against(columns, "c"))
    assert clear / 120 < 0.1
