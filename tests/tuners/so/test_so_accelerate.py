"""SO as Accelerate prepares it, in one process."""

from collections.abc import Iterator

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from small_nets import batches, difference, loss, net
from torch import nn

from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

MICRO, MAX_NORM = 2, 0.5


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    """Accelerate keeps its settings in the process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def tuned(dtype: torch.dtype = torch.float32) -> tuple[nn.Module, SO]:
    model = net(dtype)
    return model, SO(model.parameters(), density_ratio=0.2, T=3, lr=1e-2, remember=True)


def plain() -> nn.Module:
    model, so = tuned()
    sampled_gradients(model, so, densest=1.0)
    rows = batches(20)
    for pair in zip(rows[::2], rows[1::2], strict=True):
        for batch in pair:
            (loss(model, batch) / MICRO).backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        so.step()
        so.zero_grad()
    return model


@pytest.mark.parametrize("sampled_first", [True, False])
def test_prepared_so_accumulates_clips_and_steps_as_a_plain_loop_does(sampled_first):
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=MICRO)
    model, so = tuned()
    if sampled_first:
        sampled_gradients(model, so, densest=1.0)
    model, optimizer = accelerator.prepare(model, so)
    if not sampled_first:
        sampled_gradients(model, so, densest=1.0)
    for batch in batches(20):
        with accelerator.accumulate(model):
            accelerator.backward(loss(model, batch))
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(model.parameters(), MAX_NORM)
                assert norm > MAX_NORM
            optimizer.step()
            optimizer.zero_grad()
    assert so.state[model.scalar]["step"] == 10
    assert difference(model, plain()) < 1e-6


def test_a_prepared_state_is_saved_and_goes_on(tmp_path):
    def prepared() -> tuple[Accelerator, nn.Module, torch.optim.Optimizer]:
        accelerator = Accelerator(cpu=True)
        model, so = tuned()
        sampled_gradients(model, so, densest=1.0)
        return accelerator, *accelerator.prepare(model, so)

    def train(parts: tuple[Accelerator, nn.Module, torch.optim.Optimizer], rows: list) -> None:
        accelerator, model, optimizer = parts
        for batch in rows:
            accelerator.backward(loss(model, batch))
            optimizer.step()
            optimizer.zero_grad()

    whole = prepared()
    train(whole, batches(14))
    half = prepared()
    train(half, batches(14)[:7])
    half[0].save_state(tmp_path / "state")
    again = prepared()
    again[0].load_state(tmp_path / "state")
    train(again, batches(14)[7:])
    assert difference(again[1], whole[1]) == 0
