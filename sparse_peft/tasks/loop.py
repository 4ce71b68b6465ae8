"""The only training loop: it knows a task and an attachment, and nothing of either's kind."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from sparse_peft.methods.method import Attachment
from sparse_peft.tasks.job import NotFinite
from sparse_peft.tasks.recipe import Training

STEP_EVENTS = 100  # at most so many step events a run: a chart needs no more


@runtime_checkable
class Task(Protocol):
    """What is learned."""

    def loss(self, step: int, micro: int) -> Tensor:
        """The loss of one batch; the same for the same numbers, whatever ran before."""


@dataclass
class Progress:
    """How far a training has come."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)

    @property
    def median_step_ms(self) -> float | None:
        """Median time of an optimizer step, or None before the first."""
        return statistics.median(self.step_ms) if self.step_ms else None


def learning_rate(training: Training, step: int) -> float:
    """The learning rate of a step."""
    if training.schedule == "constant":
        return training.lr
    return training.lr * 0.5 * (1 + math.cos(math.pi * step / training.steps))


def fit(
    task: Task,
    attachment: Attachment,
    training: Training,
    accelerator: Any,
    progress: Progress,
    *,
    emit: Callable[..., None],
    should_stop: Callable[[], Literal["keep", "discard"] | None],
    save: Callable[[Progress], None],
    sample: Callable[[int], None],
) -> Literal["keep", "discard"] | None:
    """Train from `progress` to the last step; returns None, or what was asked when it was stopped.

    Args:
        save: writes a checkpoint of what `progress` says.
        sample: draws test pictures of a step.

    Raises:
        NotFinite: the loss became infinite or not a number.
    """
    optimizer = attachment.optimizer(training.lr)
    every = max(1, training.steps // STEP_EVENTS)
    saved = progress.step
    while progress.step < training.steps:
        asked = should_stop()
        if asked is not None:
            if asked == "keep" and progress.step > saved:
                save(progress)
            return asked
        started = time.perf_counter()
        loss = _step(task, attachment, optimizer, training, accelerator, progress.step)
        spent = time.perf_counter() - started
        progress.step += 1
        progress.seconds += spent
        progress.step_ms.append(spent * 1000)
        if progress.step % every == 0 or progress.step in (1, training.steps):
            progress.losses.append((progress.step, loss))
            emit("step", step=progress.step, loss=loss, step_ms=round(spent * 1000, 2),
                 lr=learning_rate(training, progress.step - 1))  # fmt: skip
        last = progress.step == training.steps
        if progress.step % training.checkpoint_every == 0 or last:
            save(progress)
            saved = progress.step
        if progress.step % training.sample_every == 0 and not last:
            sample(progress.step)
    return None


def _step(
    task: Task,
    attachment: Attachment,
    optimizer: torch.optim.Optimizer,
    training: Training,
    accelerator: Any,
    step: int,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(training, step)
    attachment.before_forward(step)
    total = 0.0
    for micro in range(training.accumulation):
        with accelerator.autocast():
            loss = task.loss(step, micro)
        penalty = attachment.penalty()
        if penalty is not None:
            loss = loss + penalty
        total += loss.item() / training.accumulation
        if not math.isfinite(total):
            raise NotFinite(step, training.lr)
        accelerator.backward(loss / training.accumulation)
    if training.max_grad_norm is not None:
        attachment.clip(training.max_grad_norm)
    optimizer.step()
    attachment.after_step(step)
    optimizer.zero_grad(set_to_none=True)
    return total
