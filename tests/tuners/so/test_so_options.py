import re

import pytest
import torch
from torch import nn

from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.options import OPTIONS, check_options

USABLE = {
    "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "density_ratio": 0.1,
    "T": 30, "seed": 0, "prune": "after",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("density_ratio", 0.0, "above 0 and at most 1"),
        ("density_ratio", 5, "above 0 and at most 1"),
        ("density_ratio", "all", "above 0 and at most 1"),
        ("T", 0, "a whole number from 1 on"),
        ("T", 2.5, "a whole number from 1 on"),
        ("lr", -1.0, "0 or more"),
        ("lr", float("nan"), "0 or more"),
        ("lr", float("inf"), "0 or more"),
        ("eps", -1e-8, "0 or more"),
        ("weight_decay", -0.1, "0 or more"),
        ("betas", (1.0, 0.9), "two numbers of at least 0 and below 1"),
        ("betas", (0.9,), "two numbers of at least 0 and below 1"),
        ("betas", 0.9, "two numbers of at least 0 and below 1"),
        ("seed", -1, "a whole number from 0 on"),
        ("seed", 0.5, "a whole number from 0 on"),
        ("prune", "never", "'after' or 'before'"),
    ],
)
def test_impossible_options_are_refused_with_what_is_expected(name, value, expected):
    whole = re.escape(f"SO: {name} is {value!r}; expected {expected}")
    with pytest.raises(ValueError, match=f"^{whole}$"):
        check_options(USABLE | {name: value})


@pytest.mark.parametrize(
    "edge",
    [
        {"density_ratio": 1}, {"density_ratio": 1e-9}, {"T": 1}, {"lr": 0}, {"eps": 0},
        {"lr": torch.tensor(1e-3)}, {"betas": [0, 0.0]}, {"seed": 2**80}, {"prune": "before"},
    ],
)  # fmt: skip
def test_options_at_the_edge_are_possible(edge):
    check_options(USABLE | edge)


def test_every_option_of_a_group_is_checked_when_it_is_made():
    so = SO([nn.Parameter(torch.ones(3))])
    assert set(OPTIONS) == so.defaults.keys()
    with pytest.raises(ValueError, match=r"^SO: density_ratio is 1\.5; expected above 0"):
        SO([nn.Parameter(torch.ones(3))], density_ratio=1.5)
    with pytest.raises(ValueError, match=r"^SO: seed is -1; expected a whole number from 0 on$"):
        so.add_param_group({"params": [nn.Parameter(torch.ones(3))], "seed": -1})
