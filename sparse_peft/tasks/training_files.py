"""What every training leaves: checkpoints, the adapter, the map of what changed, a report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft import tables
from sparse_peft.methods import method_named
from sparse_peft.methods.adapters import write_card
from sparse_peft.methods.method import Attachment, Method, Plan, Shapes
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.job import Job
from sparse_peft.tasks.loop import Progress

CHANGE_SIDE = 48  # pixels of the map of what changed


@runtime_checkable
class Asked(Protocol):
    """The settings of a train run, as its report repeats them."""

    @property
    def method(self) -> str:
        """Its name."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The method's own settings."""

    @property
    def training(self) -> Any:
        """How it is trained."""

    @property
    def budget(self) -> int | None:
        """Trainable values asked for."""

    @property
    def over_budget(self) -> bool:
        """Added at its smallest size, which is above the budget."""


def attached(
    settings: Asked, components: Mapping[str, nn.Module], shapes: Shapes
) -> tuple[Method, Plan, Attachment]:
    """The method of a train run, at work on the backbone with its optimizer made.

    Raises:
        SpecError: its settings are not those of the method.
    """
    kind, training = method_named(settings.method), settings.training
    method = tables.build(kind, dict(settings.fields), f"{settings.method} settings")
    plan = Plan(training.steps, training.seed)
    attachment = method.attach(components, list(shapes), plan)
    attachment.optimizer(training.lr)
    return method, plan, attachment


def resumed(job: Job, attachment: Attachment) -> Progress:
    """How far an earlier attempt came: attachment and random state go back to there."""
    found = job.load_checkpoint()
    if found is None:
        return Progress()
    _, tensors, state = found
    devices.set_random_state(tensors)
    attachment.load({k.removeprefix("at/"): v for k, v in tensors.items() if k.startswith("at/")})
    return Progress(**state | {"losses": [(step, loss) for step, loss in state["losses"]]})


def saver(job: Job, attachment: Attachment) -> Callable[[Progress], None]:
    """What writes a checkpoint."""

    def save(progress: Progress) -> None:
        tensors = {f"at/{key}": value for key, value in attachment.state().items()}
        tensors |= devices.random_state()
        job.save_checkpoint(progress.step, tensors, vars(progress))

    return save


def save_adapter(
    folder: Path,
    attachment: Attachment,
    method: Method,
    base: Mapping[str, Any],
    shapes: Shapes,
    plan: Plan,
) -> None:
    """Write adapter/ with its card, and change.png.

    Args:
        folder: of the run.
        base: id and sha256 of the backbone, as the prepare run's report has them.
    """
    adapter = folder / "adapter"
    attachment.save(adapter)
    write_card(
        adapter,
        method,
        backbone=base["id"],
        backbone_sha256=base["sha256"],
        targets=list(shapes),
        plan=plan,
    )
    _change_map(attachment.change(_change_target(shapes)), folder / "change.png")


def about(
    settings: Asked, method: Method, shapes: Shapes, attachment: Attachment
) -> dict[str, Any]:
    """What a report says of the method, its size and its settings."""
    return {
        "method": settings.method,
        "label": method.label,
        "family": method.family,
        "knob": method.knob(shapes),
        "over_budget": settings.over_budget,
        "budget": settings.budget,
        "settings": tables.table(settings.training),
        "fields": tables.table(method),
        "footprint": tables.table(attachment.measured()),
        "adapter": "adapter",
        "change": "change.png",
        "change_target": _change_target(shapes),
    }


def told(job: Job, progress: Progress, peak_mib: float | None) -> dict[str, Any]:
    """What a report says of how the training went; the adapter has been saved."""
    return {
        "adapter_bytes": bytes_below(job.folder / "adapter"),
        "seconds": progress.seconds,
        "step_ms": progress.median_step_ms,
        "peak_mib": peak_mib,
        "beside": job.beside,
        "history": progress.history,
        "losses": progress.losses,
        "device": devices.describe(job.device),
    }


def bytes_below(folder: Path) -> int:
    """The size of all files in a folder together."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _change_target(shapes: Shapes) -> str:
    """The one layer whose change is drawn: the middle one of those large enough."""
    large = [name for name, shape in shapes.items() if min(shape) >= CHANGE_SIDE] or list(shapes)
    return large[len(large) // 2]


def _change_map(change: Tensor, path: Path) -> None:
    """The absolute change of one weight at 48 x 48, darkest where it is largest."""
    flat = change.reshape(1, 1, change.shape[0], -1).abs().float()
    small = F.adaptive_avg_pool2d(flat, CHANGE_SIDE)[0, 0]
    top = small.max().clamp(min=torch.finfo(torch.float32).tiny)
    ink = ((1 - (small / top).sqrt()) * 255).to(torch.uint8)
    Image.fromarray(ink.numpy()).save(path)
