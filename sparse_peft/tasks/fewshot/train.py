"""One method, trained on the shots of one draw, then tested and saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file

from sparse_peft import tables
from sparse_peft.backbones import clip as clips
from sparse_peft.backbones import clip_source
from sparse_peft.data.labelled import Labelled
from sparse_peft.methods.method import Attachment, Method, Plan
from sparse_peft.tasks import device as devices
from sparse_peft.tasks.fewshot.classifier import FORMAT, Card, write_classifier
from sparse_peft.tasks.fewshot.draws import Drawn, read_draw
from sparse_peft.tasks.fewshot.evaluation import (
    Predictions,
    balanced,
    cosine_logits,
    labels_at,
    numbers_of,
    predictions,
)
from sparse_peft.tasks.fewshot.features import Features, scale_of
from sparse_peft.tasks.fewshot.learning import FewShot
from sparse_peft.tasks.fewshot.pictures import Pictures, framing
from sparse_peft.tasks.fewshot.prepare import FEATURES_FILE, framed_before
from sparse_peft.tasks.fewshot.recipe import Classes, ClassTraining, ClassTrainSettings
from sparse_peft.tasks.job import Cancelled, Job, NotFinite
from sparse_peft.tasks.loop import Progress, fit
from sparse_peft.tasks.training_files import about, attached, resumed, save_adapter, saver, told
from sparse_peft.tuners.rest import at_rest

ON_THE_WAY = 512  # test pictures at most for an accuracy while training goes on


@dataclass(frozen=True)
class _Bench:
    """Everything at hand for one training."""

    settings: ClassTrainSettings
    shapes: dict[str, tuple[int, ...]]
    method: Method
    plan: Plan
    clip: clips.Clip
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
    )
    if stopped is not None:
        raise Cancelled(progress.step)


def _set_up(job: Job) -> _Bench:
    settings = tables.build(ClassTrainSettings, job.settings, "run.json settings")
    shared, training = settings.shared, settings.training
    source = clip_source.resolve(shared.backbone)
    shapes = clip_source.shapes(source, shared.targets)
    clip = clips.load(source, devices.torch_device(job.device), shared.targets)
    folder = job.folder / "inputs"
    frame = framing(clip.side, clip.config()["preprocess_cfg"])
    pictures = Pictures(Labelled.load(folder), folder, frame, framed_before(folder))
    frozen, tuned = load_file(folder / FEATURES_FILE), {name.partition("/")[0] for name in shapes}
    method, plan, attachment = attached(settings, clip.components, shapes)
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


def _task(bench: _Bench) -> FewShot:
    labels = _labels(bench, bench.drawn.train)
    return FewShot(
        bench.features, bench.pictures, bench.shared, bench.training, bench.drawn.train, labels,
        bench.clip.side, bench.scale,
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
    card = Card(
        FORMAT, "adapter", method.name, method.label, f"{method.name}-s{bench.training.seed}",
        bench.base["id"], bench.base["sha256"], shared.targets, shared.template, shared.classes,
        bench.scale,
    )  # fmt: skip
    write_classifier(job.folder / "adapter", card)
