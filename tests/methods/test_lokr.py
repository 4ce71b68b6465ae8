"""LoKr's factors are those of PEFT, and each number of inputs is taken apart as PEFT does it."""

from collections import Counter

import peft
import pytest

from sparse_peft.errors import SpecError
from sparse_peft.methods.loha import LoHa
from sparse_peft.methods.lokr import LoKr, _split
from tests.methods.peft_folders import PLAN, SHAPES, TARGETS, components


@pytest.mark.parametrize("factor", [-1, 1, 2, 3, 5, 8, 16, 100])
def test_a_number_is_taken_apart_as_peft_does_it(factor: int) -> None:
    for side in (1, 2, 5, 7, 12, 64, 97, 127, 128, 192, 250, 640, 768, 1280, 2048, 3072):
        assert _split(side, factor) == peft.tuners.lokr.layer.factorization(side, factor)


@pytest.mark.parametrize("factor", [-1, 1, 2, 4, 9])
def test_the_count_is_that_of_the_layers(factor: int) -> None:
    for rank in range(1, 10):
        method = LoKr(rank=rank, decompose_factor=factor)
        attachment = method.attach(components(), TARGETS, PLAN)
        assert attachment.measured() == method.footprint(SHAPES, PLAN)


def test_alpha_is_the_rank_unless_it_is_set() -> None:
    for alpha, scale in [(None, 1.0), (6.0, 2.0)]:
        for method in (LoKr(rank=3, alpha=alpha), LoHa(rank=3, alpha=alpha)):
            parts = components()
            method.attach(parts, TARGETS, PLAN)
            assert parts["net"][0].scaling["default"] == scale


def test_the_knob_names_a_factor_that_is_not_the_usual_one() -> None:
    assert LoKr(rank=5).knob(SHAPES) == "rank 5"
    assert LoKr(rank=5, decompose_factor=4).knob(SHAPES) == "rank 5, factor 4"


@pytest.mark.parametrize("settings", [{"rank": 0}, {"decompose_factor": 0}, {"alpha": 0.0}])
def test_impossible_settings_are_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=f"^{next(iter(settings))} is "):
        LoKr(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [-1, 2, 3])
def test_no_rank_of_a_factor_comes_closer_to_a_budget(factor: int) -> None:
    """The count falls where a rank is so high that a larger factor becomes whole."""
    shapes = {"net/long": (8, 64), "net/square": (12, 12), "net/short": (20, 6)}
    ranks = [LoKr(rank=rank, decompose_factor=factor) for rank in range(1, 40)]
    counts = [one.footprint(shapes, PLAN).active for one in ranks]
    assert counts != sorted(counts)
    pairs = Counter(shapes.values())
    for budget in range(min(counts), max(counts) + 2):
        found = ranks[0]._at_most(budget, pairs).footprint(shapes, PLAN).active
        assert found == max(count for count in counts if count <= budget)
