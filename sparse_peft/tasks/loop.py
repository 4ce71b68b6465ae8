"""The only training loop: it knows a task and an attachment, and nothing of either's kind."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from sparse_peft.methods.method import Attachment
from sparse_peft.tasks.job import NotFinite

STEP_EVENTS = 100  # at most so many step events a run: a chart needs no more


@runtime_checkable
class Task(Protocol):
    """What is learned."""

    def loss(self, step: int, micro: int) -> Tensor:
        """The loss of one batch; the same for the same numbers, whatever ran before."""


@runtime_checkable
class Schedule(Protocol):
    """How long and how fast: the settings of a training that the loop reads."""

    @property
    def lr(self) -> float:
        """The learning rate that the optimizer is made with."""

    @property
    def steps(self) -> int:
        """Optimizer steps."""

    @property
    def accumulation(self) -> int:
        """Batches summed before each optimizer step."""

    @property
    def max_grad_norm(self) -> float | None:
        """Gradients of a larger common norm are scaled down to it."""

    @property
    def sample_every(self) -> int:
        """Steps between looks at what was learned."""

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints."""

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""


@dataclass
class Progress:
    """How far a training has come: JSON values, so that a checkpoint can hold it."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    """of the steps that were told"""
    step_ms: list[float] = field(default_factory=list)
    all_losses: list[float] = field(default_factory=list)
    """of every step"""
    history: list[dict[str, Any]] = field(default_factory=list)
    """what `sample` found on the way"""
    scaler: dict[str, Any] | None = None
    """of the gradients, where half precision needs one"""

    @property
    def median_step_ms(self) -> float | None:
        """Median time of an optimizer step, or None before the first."""
        return statistics.median(self.step_ms) if self.step_ms else None


def never(progress: Progress) -> bool:  # noqa: ARG001
    """The training lasts as long as it was planned."""
    return False


def fit(
    task: Task,
    attachment: Attachment,
    training: Schedule,
    accelerator: Any,
    progress: Progress,
    *,
    emit: Callable[..., None],
    should_stop: Callable[[], Literal["keep", "discard"] | None],
    save: Callable[[Progress], None],
    sample: Callable[[int], None],
    done: Callable[[Progress], bool] = never,
) -> Literal["keep", "discard"] | None:
    """Train from `progress` to the last step; returns None, or what was asked when it was stopped.

    Args:
        accelerator: gives autocast and backward, and the scaler of gradients or None.
        save: writes a checkpoint of what `progress` says.
        sample: looks at what was learned by a step; what it adds to `progress` is saved with it.
        done: whether the training may end before its last step.

    Raises:
        NotFinite: the loss became infinite or not a number.
    """
    optimizer = attachment.optimizer(training.lr)
    if progress.scaler is not None:
        accelerator.scaler.load_state_dict(progress.scaler)
    every = max(1, training.steps // STEP_EVENTS)
    saved = progress.step
    last = progress.step == training.steps or done(progress)
    while not last:
        asked = should_stop()
        if asked is not None:
            if asked == "keep" and progress.step > saved:
                save(progress)
            return asked
        started = time.perf_counter()
        loss = _step(task, attachment, optimizer, training, accelerator, progress.step)
        _note(progress, loss, time.perf_counter() - started, accelerator)
        last = progress.step == training.steps or done(progress)
        if progress.step % every == 0 or progress.step == 1 or last:
            progress.losses.append((progress.step, loss))
            emit("step", step=progress.step, loss=loss, step_ms=round(progress.step_ms[-1], 2),
                 lr=training.learning_rate(progress.step - 1))  # fmt: skip
        if progress.step % training.sample_every == 0 and not last:
            sample(progress.step)
        if progress.step % training.checkpoint_every == 0 or last:
            save(progress)
            saved = progress.step
    return None


def _note(progress: Progress, loss: float, seconds: float, accelerator: Any) -> None:
    progress.step += 1
    progress.seconds += seconds
    progress.step_ms.append(seconds * 1000)
    progress.all_losses.append(loss)
    if accelerator.scaler is not None:
        progress.scaler = accelerator.scaler.state_dict()


def _step(
    task: Task,
    attachment: Attachment,
    optimizer: torch.optim.Optimizer,
    training: Schedule,
    accelerator: Any,
    step: int,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = training.learning_rate(step)
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
    _move(attachment, optimizer, training.max_grad_norm, accelerator.scaler)
    attachment.after_step(step)
    optimizer.zero_grad(set_to_none=True)
    return total


def _move(
    attachment: Attachment,
    optimizer: torch.optim.Optimizer,
    max_grad_norm: float | None,
    scaler: "torch.amp.grad_scaler.GradScaler | None",
) -> None:
    """One step of the optimizer, left out where scaled gradients overflowed."""
    scaled = cast(torch.optim.Optimizer, _Scaled(attachment.leaves(), optimizer))
    if scaler is not None:
        scaler.unscale_(scaled)
    if max_grad_norm is not None:
        attachment.clip(max_grad_norm)
    if scaler is None:
        optimizer.step()
        return
    scaler.step(scaled)
    scaler.update()


class _Scaled:
    """What a GradScaler asks of an optimizer, whose own parameters need not hold the gradients."""

    def __init__(self, leaves: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.param_groups = [{"params": list(leaves)}]
        self.step = optimizer.step
