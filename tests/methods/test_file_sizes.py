"""The size that the page tells is that of the folder that training writes."""

from pathlib import Path

import pytest
import torch
from torch import nn

from sparse_peft.methods import all_methods
from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.file_sizes import expected_bytes
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Method, Plan

LAYERS, WIDTH = 40, 24
SHAPES = {f"net/{number}": (WIDTH, WIDTH) for number in range(LAYERS)}
PLAN = Plan(steps=2, seed=0)
CHOSEN = [*(kind() for kind in all_methods().values()), LoRA(dora=True)]


@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda method: method.name)
def test_a_folder_is_about_as_large_as_expected(chosen: Method, tmp_path: Path) -> None:
    limits = chosen.budget_range(SHAPES)
    if limits is not None:
        chosen = chosen.fit(2 * limits[0], SHAPES)
    net = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
    attachment = chosen.attach({"net": net}, list(SHAPES), PLAN)
    optimizer = attachment.optimizer(1e-2)
    for number in range(PLAN.steps):
        attachment.before_forward(number)
        net(torch.ones(1, WIDTH)).square().sum().backward()
        optimizer.step()
        attachment.after_step(number)
        optimizer.zero_grad()
    attachment.save(tmp_path)
    write_card(tmp_path, chosen, "toy", "0" * 64, list(SHAPES), PLAN)
    real = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    expected = expected_bytes(chosen, "toy", SHAPES, PLAN, attachment.measured())
    assert abs(expected - real) < 0.1 * real
