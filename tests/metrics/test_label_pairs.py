"""Two classifiers picture by picture: who recognises more, how sure that is, and in which word."""

from collections.abc import Mapping

import numpy as np
import pytest

from sparse_peft.metrics.answers import Answers
from sparse_peft.metrics.label_pairs import against, all_pairs
from tests.metrics.made import drawn, said


def column(right: Mapping[int, list[bool]]) -> dict[int, Answers]:
    """Answers that are right where it says so, by seed."""
    return {seed: said([0] * len(row), [0 if ok else 1 for ok in row]) for seed, row in
            right.items()}  # fmt: skip


def of_counts(both: int, won: int, lost: int, neither: int, seeds: int = 1) -> dict:
    a = [True] * (both + won) + [False] * (lost + neither)
    b = [True] * both + [False] * won + [True] * lost + [False] * neither
    return {name: column(dict.fromkeys(range(seeds), row)) for name, row in (("a", a), ("b", b))}


def test_wins_and_ties_are_counted_over_all_draws() -> None:
    (pair,) = against(of_counts(30, 12, 4, 14, seeds=2), "b", ["a", "b"])
    assert (pair.a, pair.b, pair.wins, pair.ties, pair.of) == ("a", "b", 24, 88, 120)
    assert pair.difference.mean == pytest.approx(8 / 60)


def test_p_is_that_of_mcnemars_corrected_test() -> None:
    from scipy.stats import chi2

    (pair,) = against(of_counts(300, 40, 20, 40), "b", ["a"])
    assert pair.p == pytest.approx(chi2.sf((40 - 20 - 1) ** 2 / 60, 1), rel=0.05)
    assert pair.word == "Clear"


def test_a_second_training_that_says_the_same_makes_nothing_surer() -> None:
    once, twice = (against(of_counts(300, 40, 20, 40, n), "b", ["a"])[0] for n in (1, 2))
    assert twice.p == pytest.approx(once.p)
    assert twice.difference == once.difference


@pytest.mark.parametrize(("won", "word"), [(5, "Leaning"), (3, "Cannot tell"), (9, "Clear")])
def test_a_few_wins_without_a_loss_are_not_much(won: int, word: str) -> None:
    (pair,) = against(of_counts(390 - won, won, 0, 10), "b", ["a"])
    assert pair.word == word


def test_equal_rows_cannot_be_told_apart() -> None:
    row = dict(enumerate(drawn()))
    (pair,) = against({"a": row, "b": row}, "b", ["a"])
    assert (pair.wins, pair.p, pair.word) == (0, 1.0, "Cannot tell")
    assert pair.difference == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("pictures", "word"), [(39, "Leaning"), (40, "Clear")])
def test_few_test_pictures_are_never_clear(pictures: int, word: str) -> None:
    (pair,) = against(of_counts(5, pictures - 5, 0, 0), "b", ["a"])
    assert pair.word == word


def test_winning_every_picture_is_as_sure_as_a_sign_test() -> None:
    (pair,) = against(of_counts(0, 6, 0, 0), "b", ["a"])
    assert pair.p == 2.0**-5


def test_a_single_picture_says_nothing() -> None:
    (pair,) = against(of_counts(0, 1, 0, 0), "b", ["a"])
    assert (pair.p, pair.word) == (None, "Cannot tell")


def test_draws_that_only_one_row_has_are_left_out() -> None:
    columns = of_counts(30, 12, 4, 14, seeds=2)
    del columns["b"][1]
    assert against(columns, "b", ["a"])[0].of == 60
    columns["b"] = {7: columns["b"][0]}
    assert against(columns, "b", ["a"]) == []
    assert against(columns, "c", ["a"]) == []


def test_holm_makes_several_rows_harder_to_tell() -> None:
    columns = of_counts(300, 40, 20, 40)
    others = {f"c{i}": column({0: list(np.random.default_rng(i).random(400) < 0.85)})
              for i in range(4)}  # fmt: skip
    alone = against(columns, "b", ["a"])[0]
    among = next(p for p in against(columns | others, "b", ["a", *others]) if p.a == "a")
    assert (alone.word, among.p) == ("Clear", alone.p)
    assert among.word != "Clear"


def test_every_row_meets_every_other_but_the_reference_is_never_compared() -> None:
    columns = {name: dict(enumerate(drawn(seed=seed))) for seed, name in enumerate("zab")}
    pairs = all_pairs(columns, "z")
    assert {(p.a, p.b) for p in pairs} == {("a", "b"), ("b", "a"), ("a", "z"), ("b", "z")}
    there, back = (
        next(p for p in pairs if (p.a, p.b) == names) for names in (("a", "b"), ("b", "a"))
    )
    assert there.difference.mean == pytest.approx(-back.difference.mean)
