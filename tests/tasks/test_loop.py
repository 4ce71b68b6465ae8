"""The loop on a task of its own: a quadratic."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Attachment, Plan
from sparse_peft.tasks.device import accelerator
from sparse_peft.tasks.job import NotFinite
from sparse_peft.tasks.loop import Progress, fit, learning_rate
from sparse_peft.tasks.recipe import Training


class Quadratic:
    """Teach a layer to hand on its input; a batch depends on its numbers alone."""

    def __init__(self, layer: nn.Module, poison: int | None = None) -> None:
        self.layer, self.poison, self.seen = layer, poison, []  # type: ignore[var-annotated]

    def loss(self, step: int, micro: int) -> Tensor:
        self.seen.append((step, micro))
        source = torch.Generator().manual_seed(1000 * step + micro)
        given = torch.randn(8, 6, generator=source)
        loss = (self.layer(given) - given[:, :5]).square().mean()
        return loss * math.inf if step == self.poison else loss


def attached() -> tuple[nn.Module, Attachment]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5))
    return model, LoRA(rank=2).attach({"unet": model}, ["unet/0"], Plan(20, 0))


def training(**changes: Any) -> Training:
    settings = {"lr": 0.05, "steps": 20, "seed": 0, "sample_every": 5, "checkpoint_every": 4}
    return Training(**settings | changes)  # type: ignore[arg-type]


def run(task: Quadratic, attachment: Attachment, **more: Any) -> SimpleNamespace:
    said: list[tuple[str, dict[str, Any]]] = []
    saved: list[int] = []
    drawn: list[int] = []
    stop: Callable[[], None] = more.pop("should_stop", lambda: None)
    progress = more.pop("progress", Progress())
    asked = fit(
        task, attachment, training(**more), accelerator("cpu", "fp32"), progress,
        emit=lambda kind, **fields: said.append((kind, fields)), should_stop=stop,
        save=lambda p: saved.append(p.step), sample=drawn.append,
    )  # fmt: skip
    return SimpleNamespace(asked=asked, said=said, saved=saved, drawn=drawn, progress=progress)


def test_it_learns_and_reports_as_it_goes() -> None:
    model, attachment = attached()
    with torch.no_grad():
        before = Quadratic(model).loss(0, 0)
    result = run(Quadratic(model), attachment)
    with torch.no_grad():
        assert Quadratic(model).loss(0, 0) < 0.8 * before
    assert result.asked is None
    assert result.saved == [4, 8, 12, 16, 20]
    assert result.drawn == [5, 10, 15]
    assert [fields["step"] for _, fields in result.said] == list(range(1, 21))
    assert result.progress.seconds > 0
    assert result.progress.median_step_ms > 0


def test_accumulated_batches_are_all_seen() -> None:
    model, attachment = attached()
    task = Quadratic(model)
    run(task, attachment, accumulation=3, steps=2)
    assert task.seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_it_stops_when_asked_and_says_what_was_asked() -> None:
    model, attachment = attached()
    answers = iter([None, None, "keep"])
    result = run(Quadratic(model), attachment, should_stop=lambda: next(answers))
    assert (result.asked, result.progress.step) == ("keep", 2)
    assert result.saved == [2]


def test_what_is_discarded_is_not_saved() -> None:
    model, attachment = attached()
    answers = iter([None, None, "discard"])
    result = run(Quadratic(model), attachment, should_stop=lambda: next(answers))
    assert (result.asked, result.saved) == ("discard", [])


def test_it_goes_on_from_where_progress_says() -> None:
    model, attachment = attached()
    task = Quadratic(model)
    run(task, attachment, progress=Progress(step=18))
    assert task.seen == [(18, 0), (19, 0)]


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    model, attachment = attached()
    with pytest.raises(NotFinite, match=r"At step 3 the loss is not a finite number.*0\.05"):
        run(Quadratic(model, poison=3), attachment)


def test_the_learning_rate_follows_its_schedule() -> None:
    assert learning_rate(training(), 19) == 0.05
    cosine = training(schedule="cosine")
    assert learning_rate(cosine, 0) == 0.05
    assert learning_rate(cosine, 10) == pytest.approx(0.025)
    assert learning_rate(cosine, 19) < 0.001
