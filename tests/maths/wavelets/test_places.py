import pytest
import torch

from sparse_peft.errors import SpecError
from sparse_peft.maths.wavelets.places import TOO_MANY, first_places, layer_seed


@pytest.mark.parametrize("seed", [0, 777, 2**32 - 1, 2**40 + 5, 2**63 - 1])
@pytest.mark.parametrize("size", [1, 2, 3, 64, 1000, 640 * 640])
def test_the_first_places_are_those_of_torch(size, seed):
    expected = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    for count in {1, 2, size // 3, size - 1, size} & set(range(1, size + 1)):
        found = torch.from_numpy(first_places(size, count, seed))
        assert torch.equal(found, expected[:count])


def test_more_places_than_there_are_give_all():
    assert sorted(first_places(10, 16, 3)) == list(range(10))


def test_a_weight_for_which_torch_draws_otherwise_is_refused():
    with pytest.raises(SpecError, match="214748364"):
        first_places(TOO_MANY, 1, 0)


def test_each_path_has_a_seed_of_its_own_that_stays():
    assert layer_seed(777, "blocks.0.to_q") == 414274154
    seeds = {layer_seed(seed, path) for seed in (0, 777) for path in ("a", "b", "a.b")}
    assert len(seeds) == 6
