"""One method, trained on the shots of one draw, then tested and saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.vision.model import Vision
from sparse_peft.data.labelled import Labelled
from sparse_peft.methods.method import Attachment, Method, Plan
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.fewshot.classifier import FORMAT, Card, Kind, write_classifier
from sparse_peft.tasks.fewshot.draws import Drawn, read_draw
from sparse_peft.tasks.fewshot.evaluation import (
    Predictions,
    balanced,
    cosine_logits,
    labels_at,
    numbers_of,
    predictions,
)
from sparse_peft.tasks.fewshot.features import Features, Model, scale_of
from sparse_peft.tasks.fewshot.head import Head, HeadedAttachment
from sparse_peft.tasks.fewshot.learning import FewShot
from sparse_peft.tasks.fewshot.linear_probe import HEAD_FILE
from sparse_peft.tasks.fewshot.models import frame_of, load
from sparse_peft.tasks.fewshot.pictures import Pictures
from sparse_peft.tasks.fewshot.prepare import FEATURES_FILE, framed_before
from sparse_peft.tasks.fewshot.recipe import TASK, Classes, ClassTraining, ClassTrainSettings
from sparse_peft.tasks.job import Cancelled, Job, NotFinite
from sparse_peft.tasks.loop import Progress, fit
from sparse_peft.tasks.training_files import (
    about,
    attached,
    bytes_below,
    resumed,
    save_adapter,
    saver,
    told,
)
from sparse_peft.tuners.rest import at_rest

ON_THE_WAY = 512  # test pictures at most for an accuracy while training goes on


@dataclass(frozen=True)
class _Bench:
    """Everything at hand for one training."""

    settings: ClassTrainSettings
    shapes: dict[str, tuple[int, ...]]
    method: Method
    plan: Plan
    clip: Model
    attachment: Attachment
    pictures: Pictures
    features: Features
    drawn: Drawn
    accelerator: Any
    base: dict[str, Any]
    """id and sha256 of the backbone that `prepare` used"""

    @property
    def shared(self) -> Classes:
        return self.settings.shared

    @property
    def training(self) -> ClassTraining:
        return self.settings.training

    @property
    def scale(self) -> float:
        """Of the cosines."""
        return scale_of(self.clip.scale, self.shared)

    @property
    def head(self) -> Head | None:
        """What tells the classes apart on a vision backbone; a CLIP has its prompts."""
        return self.attachment.head if isinstance(self.attachment, HeadedAttachment) else None


def run(job: Job) -> None:
    """Train; fill the run's folder with adapter/, predictions, change.png and report.json."""
    job.emit("stage", text="Loading the backbone", done=0, of=3)
    bench = _set_up(job)
    torch.manual_seed(bench.training.seed)  # for library code: dropout
    progress = resumed(job, bench.attachment)
    task = _task(bench)
    job.emit("stage", text="Training", done=1, of=3)
    memory = devices.PeakMemory(bench.clip.device)
    asked = _fitted(job, bench, task, progress)
    peak = memory.mib()
    if asked == "discard":
        raise Cancelled(progress.step)
    job.emit("stage", text="Testing", done=2, of=3)
    accuracy = _tested(job, bench, progress)
    _save(job, bench)
    stopped = progress.step if asked == "keep" else None
    early = stopped is None and progress.step < bench.training.steps
    found = about(bench.settings, bench.method, bench.shapes, bench.attachment)
    job.report(
        found
        | told(job, progress, peak)
        | {
            "stopped_at": stopped,
            "ended_at": progress.step if early else None,
            "accuracy": accuracy,
        }
        | _about_head(job, bench)
    )
    if stopped is not None:
        raise Cancelled(progress.step)


def _set_up(job: Job) -> _Bench:
    settings = tables.build(ClassTrainSettings, job.settings, "run.json settings")
    shared, training = settings.shared, settings.training
    source = sources.resolve(shared.backbone, TASK)
    shapes = sources.shapes(source, shared.targets)
    device = devices.torch_device(job.device)
    clip = load(source, device, shared.targets, shared.view, shared.drop_path)
    folder = job.folder / "inputs"
    pictures = Pictures(Labelled.load(folder), folder, frame_of(clip), framed_before(folder))
    frozen, tuned = load_file(folder / FEATURES_FILE), {name.partition("/")[0] for name in shapes}
    method, plan, attachment = attached(settings, clip.components, shapes)
    if isinstance(clip, Vision):
        attachment = _headed(attachment, clip, settings)
    return _Bench(
        settings,
        shapes,
        method,
        plan,
        clip,
        attachment,
        pictures,
        Features(clip, pictures, shared, frozen, tuned),
        read_draw(folder, training.seed),
        devices.accelerator(job.device, shared.precision),
        tables.read_json(folder / "report.json")["backbone"],
    )


def _headed(attachment: Attachment, vision: Vision, settings: ClassTrainSettings) -> Attachment:
    """The method with a head beside it, and the backbone's branches left out as asked for."""
    shared, training = settings.shared, settings.training
    token = vision.cls_token if shared.cls_token else None
    if any(leaf is token for leaf in attachment.leaves()):
        token = None  # the method trains it itself
    head = Head(vision.width, len(shared.classes), training.seed, vision.device, token)
    whole = HeadedAttachment(attachment, head, training.head_lr, training.head_weight_decay)
    whole.optimizer(training.lr)
    if shared.drop_path:
        vision.drop_paths()
    return whole


def _task(bench: _Bench) -> FewShot:
    labels = _labels(bench, bench.drawn.train)
    return FewShot(
        bench.features, bench.pictures, bench.shared, bench.training, bench.drawn.train, labels,
        bench.clip.side, bench.head or bench.scale,
    )  # fmt: skip


def _labels(bench: _Bench, places: Sequence[int], *, new: bool = False) -> list[int]:
    learned = len(bench.shared.classes)
    known = bench.shared.labels[learned:] if new else bench.shared.labels[:learned]
    return labels_at(bench.pictures.labelled, places, numbers_of(known))


def _fitted(job: Job, bench: _Bench, task: FewShot, progress: Progress) -> str | None:
    """Train to the end, looking at some of the test pictures on the way."""
    some = balanced(bench.pictures.labelled, bench.drawn.test, bench.training.seed, ON_THE_WAY)

    def sample(step: int) -> None:
        _tell(job, progress, step, _predicted(bench, step, some))

    return fit(
        task,
        bench.attachment,
        bench.training,
        bench.accelerator,
        progress,
        emit=job.emit,
        should_stop=job.should_stop,
        save=saver(job, bench.attachment),
        sample=sample,
        done=task.is_learned,
    )


def _tell(job: Job, progress: Progress, step: int, found: Predictions) -> None:
    row = {"step": step, "accuracy": found.accuracy}
    progress.history[:] = [old for old in progress.history if old["step"] != step] + [row]
    job.emit("evaluation", **row, of=len(found.label))


def _predicted(
    bench: _Bench, step: int, places: Sequence[int], *, new: bool = False
) -> Predictions:
    """What the method makes of test pictures after a step.

    Raises:
        NotFinite: a score is not a number.
    """
    with torch.no_grad(), at_rest(bench.clip.components), bench.accelerator.autocast():
        if bench.head is not None:
            logits = bench.head(bench.features.at(places))
        else:
            texts = bench.features.texts(new=new)
            logits = cosine_logits(bench.features.at(places), texts, bench.scale)
    if not logits.isfinite().all():
        raise NotFinite(step, what="a prediction")
    return predictions(logits, places, _labels(bench, places, new=new))


def _tested(job: Job, bench: _Bench, progress: Progress) -> float:
    """Write the predictions of all test pictures; the accuracy on the classes learned."""
    found = _predicted(bench, progress.step, bench.drawn.test)
    found.save(job.folder / "predictions.safetensors")
    _tell(job, progress, progress.step, found)
    if bench.drawn.new:
        new = _predicted(bench, progress.step, bench.drawn.new, new=True)
        new.save(job.folder / "predictions-new.safetensors")
    return found.accuracy


def _save(job: Job, bench: _Bench) -> None:
    """Write the adapter, the map of what changed, and the card that makes it a classifier."""
    shared, method = bench.shared, bench.method
    save_adapter(job.folder, bench.attachment, method, bench.base, bench.shapes, bench.plan)
    kind: Kind = "adapter+head" if bench.head else "adapter"
    name = method.name
    card = Card(
        FORMAT, kind, name, method.label, f"{name}-s{bench.training.seed}",
        bench.base["id"], bench.base["sha256"], shared.targets, shared.template, shared.classes,
        bench.scale, shared.view,
    )  # fmt: skip
    write_classifier(job.folder / "adapter", card)


def _about_head(job: Job, bench: _Bench) -> dict[str, Any]:
    """What the report says of the head; the size of the adapter is told without it."""
    if bench.head is None:
        return {}
    size = (job.folder / "adapter" / HEAD_FILE).stat().st_size
    whole = bytes_below(job.folder / "adapter")
    values = sum(value.numel() for value in bench.head.values.values())
    return {"adapter_bytes": whole - size, "head": {"values": values, "bytes": size}}
