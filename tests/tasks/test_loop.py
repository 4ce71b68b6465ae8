"""The loop on a task of its own: a quadratic."""

import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Attachment, Method, Plan
from sparse_peft.methods.so import SO
from sparse_peft.tasks.device import accelerator
from sparse_peft.tasks.dreambooth.recipe import Training
from sparse_peft.tasks.job import NotFinite
from sparse_peft.tasks.loop import Progress, fit, never


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
    mixed = more.pop("accelerator", None) or accelerator("cpu", "fp32")
    done = more.pop("done", never)
    asked = fit(
        task, attachment, training(**more), mixed, progress,
        emit=lambda kind, **fields: said.append((kind, fields)), should_stop=stop,
        save=lambda p: saved.append(p.step), sample=drawn.append, done=done,
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


def test_what_is_learned_early_ends_the_training_and_is_saved() -> None:
    model, attachment = attached()
    result = run(Quadratic(model), attachment, done=lambda progress: progress.step == 7)
    assert (result.asked, result.progress.step, result.saved) == (None, 7, [4, 7])
    assert result.drawn == [5]
    assert [step for step, _ in result.progress.losses] == list(range(1, 8))
    assert len(result.progress.all_losses) == 7
    again = run(Quadratic(model), attachment, progress=Progress(step=7), done=lambda p: p.step == 7)
    assert (again.saved, again.said) == ([], [])


def test_what_a_look_adds_to_progress_is_saved_with_it() -> None:
    model, attachment = attached()
    progress = Progress()
    saved: list[tuple[int, int]] = []
    fit(
        Quadratic(model), attachment, training(checkpoint_every=5), accelerator("cpu", "fp32"),
        progress, emit=lambda *_, **__: None, should_stop=lambda: None,
        save=lambda p: saved.append((p.step, len(p.history))),
        sample=lambda step: progress.history.append({"step": step}),
    )  # fmt: skip
    assert saved == [(5, 1), (10, 2), (15, 3), (20, 3)]


class Half:
    """What accelerate gives on CUDA in fp16, on the CPU: autocast, and gradients scaled up."""

    def __init__(self, scale: float = 2.0**10, growth_interval: int = 2000) -> None:
        self.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=growth_interval)

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.float16)

    def backward(self, loss: Tensor) -> None:
        self.scaler.scale(loss).backward()


class Unscaled(Half):
    """The same without a scaler."""

    def __init__(self) -> None:
        self.scaler = None  # type: ignore[assignment]

    def backward(self, loss: Tensor) -> None:
        loss.backward()


METHODS = {"lora": LoRA(rank=2), "so dense": SO(density=0.5), "so sampled": SO(density=0.0034)}


def method_at_work(method: Method) -> tuple[nn.Module, Attachment]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 50))
    return model, method.attach({"unet": model}, ["unet/0"], Plan(20, 0))


class Wide(Quadratic):
    """As a quadratic, on a layer that is large enough for few sampled entries."""

    def loss(self, step: int, micro: int) -> Tensor:
        source = torch.Generator().manual_seed(1000 * step + micro)
        given = torch.randn(8, 60, generator=source)
        return (self.layer(given) - given[:, :50]).square().mean()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("max_grad_norm", [None, 0.01])
def test_a_scaler_changes_nothing_but_what_underflows(
    name: str, max_grad_norm: float | None
) -> None:
    """Optimizers that read leaves of their own are unscaled, clipped and moved as any other."""
    changes = []
    for mixed in (Unscaled(), Half()):
        model, attachment = method_at_work(METHODS[name])
        run(Wide(model), attachment, accelerator=mixed, max_grad_norm=max_grad_norm)
        changes.append(attachment.change("unet/0"))
    assert changes[0].abs().max() > 0
    torch.testing.assert_close(changes[1], changes[0], rtol=0.05, atol=2e-3)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_that_overflow_move_nothing_and_halve_the_scale(name: str) -> None:
    model, attachment = method_at_work(METHODS[name])
    mixed = Half(scale=2.0**40)
    result = run(Wide(model), attachment, accelerator=mixed, steps=3)
    assert attachment.change("unet/0").abs().max() == 0
    assert mixed.scaler.get_scale() == 2.0**37
    assert result.progress.step == 3


def test_the_scale_goes_on_where_it_was() -> None:
    model, attachment = attached()
    mixed = Half(scale=64.0, growth_interval=3)
    first = run(Quadratic(model), attachment, accelerator=mixed, steps=4)
    assert first.progress.scaler == mixed.scaler.state_dict()
    again = Half()
    later = Progress(step=4, scaler=json.loads(json.dumps(first.progress.scaler)))
    run(Quadratic(model), attachment, accelerator=again, progress=later, steps=6)
    assert again.scaler.get_scale() == 64.0 * 2 * 2
