"""Competition counts what it zeroes and refuses what leaves nothing."""

from types import SimpleNamespace

import pytest
import torch

from sparse_peft.errors import SpecError
from sparse_peft.maths.snell.competition import Competition


@pytest.mark.parametrize(("sparsity", "entries"), [(0.5, 7), (0.9, 10), (0.3, 10), (0.28, 25)])
def test_the_paper_zeroes_the_ceiling_of_the_share(sparsity: float, entries: int) -> None:
    # In floating point 0.28 * 25 is more than 7.
    expected = {(0.5, 7): 4, (0.9, 10): 9, (0.3, 10): 3, (0.28, 25): 7}[sparsity, entries]
    assert Competition(sparsity, "paper").zeroed(entries) == expected


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.75, 0.9, 0.995])
@pytest.mark.parametrize("entries", [5, 101, 640])
def test_the_code_zeroes_what_the_quantile_does_not_leave(sparsity: float, entries: int) -> None:
    sizes = torch.arange(1, entries + 1, dtype=torch.float64)
    zeroed = int((sizes <= torch.quantile(sizes, sparsity)).sum())
    assert Competition(sparsity, "code").zeroed(entries) == zeroed
    assert Competition(sparsity, "code").survivors(entries) == entries - zeroed


def test_without_sparsity_all_survive() -> None:
    assert Competition(0.0, "paper").survivors(9) == Competition(0.0, "code").survivors(9) == 9


def test_a_sparsity_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="all 60 entries"):
        Competition(0.99, "paper").survivors(60)
    assert Competition(0.99, "code").survivors(60) == 1


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_a_sparsity_out_of_range_is_refused(sparsity: float) -> None:
    with pytest.raises(SpecError, match="sparsity"):
        Competition(sparsity)


def test_an_unknown_form_is_refused() -> None:
    # As it comes from a file: types are checked in tests alone.
    with pytest.raises(SpecError, match=r"'soft'.*code, paper"):
        Competition.__post_init__(SimpleNamespace(sparsity=0.5, form="soft"))  # type: ignore[arg-type]
