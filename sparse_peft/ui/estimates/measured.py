"""What finished runs and probes of this machine took and needed, read once each."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.errors import UserError
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import RunRow
from sparse_peft.tasks.dreambooth.recipe import Shared, TrainSettings
from sparse_peft.tasks.fewshot.recipe import ClassPrepareSettings, ClassTrainSettings
from sparse_peft.ui.watch import remaining
from sparse_peft.ui.watch.watcher import watcher

LOOKED_BACK = 200  # finished runs: older ones tell of older versions
MOST_KEPT = 2000

Key = tuple[object, ...]


@dataclass(frozen=True)
class Taken:
    """What one training took, or one that a probe began."""

    key: Key
    step_seconds: float
    around_seconds: float | None
    """loading, drawing and saving; None where a probe or a resumed run does not tell"""
    pictures: int
    """that it drew"""
    active: int
    peak_mib: float | None
    beside: bool
    """whether another run was at work on this machine"""
    device: str
    probed: bool = False


@dataclass(frozen=True)
class Prepared:
    """What one prepare run took."""

    key: Key
    seconds: float
    pictures: int


@dataclass(frozen=True)
class Probed:
    """What one probe found."""

    run: str
    backbone: str | None
    devices: tuple[dict[str, Any], ...]
    load_seconds: float | None = None
    picture_seconds: float | None = None
    picture_key: Key | None = None
    trainings: tuple[Taken, ...] = ()
    too_large: tuple[Key, ...] = ()
    """trainings for which the memory did not suffice"""


Facts = tuple[Taken | Prepared | Probed, ...]

_lock = threading.Lock()
_kept: "OrderedDict[tuple[Path, str], Facts]" = OrderedDict()


def facts(home: Path) -> list[Taken | Prepared | Probed]:
    """What the newest finished runs tell, newest first."""
    rows = [row for row in watcher(home).rows() if row.state == "finished"]
    return [fact for row in reversed(rows[-LOOKED_BACK:]) for fact in _facts(home, row)]


def training_key(settings: TrainSettings) -> Key:
    """What the time of a step depends on, besides the size."""
    shared, training = settings.shared, settings.training
    return (
        settings.method, *_drawing(shared), shared.targets, shared.precision,
        training.batch_size, training.accumulation, shared.prior and shared.prior.batch,
    )  # fmt: skip


def prepare_key(shared: Shared) -> Key:
    """What the time of a prepare run depends on, besides the number of pictures."""
    return (*_drawing(shared), shared.precision, shared.prior and shared.prior.pictures)


def picture_key(shared: Shared) -> Key:
    """What the time of a test picture depends on."""
    return _drawing(shared)


def pictures_of(settings: TrainSettings) -> int:
    """Test pictures that a training draws: on the way, at its end, and of ordinary ones."""
    shared, training = settings.shared, settings.training
    on_the_way = (training.steps - 1) // training.sample_every * len(shared.prompts)
    return on_the_way + base_pictures(shared)


def base_pictures(shared: Shared) -> int:
    """Pictures of the base: every prompt with every seed, and an ordinary one for each seed."""
    return (len(shared.prompts) + bool(shared.judge)) * len(shared.seeds)


def class_training_key(settings: ClassTrainSettings) -> Key:
    """What the time of a step that learns classes depends on: each class is a prompt to read."""
    shared = settings.shared
    return (
        "fewshot", settings.method, shared.backbone, shared.targets, shared.precision,
        shared.augmentation, settings.training.batch_size, len(shared.classes),
    )  # fmt: skip


def class_prepare_key(backbone: str) -> Key:
    """What the time of a few-shot prepare run depends on, besides the number of pictures."""
    return ("fewshot", backbone)


def _drawing(shared: Shared) -> Key:
    sampling = tuple(tables.table(shared.sampling).values())
    return (shared.backbone, shared.resolution, sampling, shared.judge)


def _facts(home: Path, row: RunRow) -> Facts:
    with _lock:
        key = (home, row.id)
        if key not in _kept:
            _kept[key] = _read(RunDirectory.of(home, row.id).path, row)
            if len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
        return _kept[key]


def _read(folder: Path, row: RunRow) -> Facts:
    """What a run's own files tell; nothing where they are of an older version or damaged."""
    try:
        spec = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        reader = _KINDS.get((spec.get("task", "dreambooth"), row.kind))
        return tuple(reader(folder, row, spec["settings"], report)) if reader else ()
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return ()


def _train(
    folder: Path, row: RunRow, asked: Mapping[str, Any], report: Mapping[str, Any]
) -> Iterator[Taken]:
    settings = tables.build(TrainSettings, asked, "run.json settings")
    past = remaining.cost(folder) if row.attempts == 1 else None
    yield Taken(
        training_key(settings), report["step_ms"] / 1000, past.around_seconds if past else None,
        pictures_of(settings), report["footprint"]["active"],
        report["peak_mib"], bool(report["beside"]), report["device"],
    )  # fmt: skip


def _prepare(
    folder: Path, row: RunRow, asked: Mapping[str, Any], report: Mapping[str, Any]
) -> Iterator[Prepared]:
    shared = tables.build(Shared, asked, "run.json settings")
    past = remaining.cost(folder) if row.attempts == 1 else None
    seconds = past.around_seconds if past else report["seconds"]
    yield Prepared(prepare_key(shared), seconds, base_pictures(shared))


def _probe(
    folder: Path, row: RunRow, asked: Mapping[str, Any], report: Mapping[str, Any]
) -> Iterator[Probed]:
    del folder
    settings = [
        tables.build(TrainSettings, each, "run.json settings") for each in asked["trainings"]
    ]
    pairs = list(zip(settings, report.get("trainings", ()), strict=True))
    yield Probed(
        row.id, report.get("backbone"), tuple(report["devices"]), report.get("load_seconds"),
        report.get("picture_seconds"), picture_key(settings[0].shared) if settings else None,
        tuple(_begun(each, timed, report) for each, timed in pairs if timed["fits"]),
        tuple(training_key(each) for each, timed in pairs if not timed["fits"]),
    )  # fmt: skip


def _begun(settings: TrainSettings, timed: Mapping[str, Any], report: Mapping[str, Any]) -> Taken:
    return Taken(
        training_key(settings), timed["step_ms"] / 1000, None, 0, timed["active"],
        timed["peak_mib"], bool(report["beside"]), report["device"], probed=True,
    )  # fmt: skip


def _class_train(
    folder: Path, row: RunRow, asked: Mapping[str, Any], report: Mapping[str, Any]
) -> Iterator[Taken]:
    settings = tables.build(ClassTrainSettings, asked, "run.json settings")
    steps = report.get("ended_at") or settings.training.steps
    whole = remaining.whole_seconds(folder) if row.attempts == 1 else None
    around = None if whole is None else max(0.0, whole - steps * report["step_ms"] / 1000)
    draws = json.loads((folder / "inputs" / "draws.json").read_text(encoding="utf-8"))
    tested = len(draws[str(settings.training.seed)]["test"])
    looks = -(-settings.training.steps // settings.training.sample_every)
    yield Taken(
        class_training_key(settings), report["step_ms"] / 1000, around, max(1, tested * looks),
        report["footprint"]["active"], report["peak_mib"], bool(report["beside"]),
        report["device"],
    )  # fmt: skip


def _class_prepare(
    folder: Path, row: RunRow, asked: Mapping[str, Any], report: Mapping[str, Any]
) -> Iterator[Prepared]:
    backbone = tables.build(ClassPrepareSettings, asked, "run.json settings").shared.backbone
    whole = remaining.whole_seconds(folder) if row.attempts == 1 else None
    draws = json.loads((folder / "draws.json").read_text(encoding="utf-8"))
    places = {place for draw in draws.values() for each in draw.values() for place in each}
    seconds = report["seconds"] if whole is None else whole
    yield Prepared(class_prepare_key(backbone), seconds, max(1, len(places)))


_Reader = Callable[
    [Path, RunRow, Mapping[str, Any], Mapping[str, Any]], Iterator[Taken | Prepared | Probed]
]
_KINDS: dict[tuple[str, str], _Reader] = {
    ("dreambooth", "train"): _train,
    ("dreambooth", "prepare"): _prepare,
    ("dreambooth", "probe"): _probe,
    ("fewshot", "train"): _class_train,
    ("fewshot", "prepare"): _class_prepare,
}
