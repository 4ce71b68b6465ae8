"""Trainings on the shots of a draw, as they run, on a small random CLIP."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file

from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.tasks.fewshot import train
from sparse_peft.tasks.fewshot.classifier import read_classifier
from sparse_peft.tasks.fewshot.draws import read_draw
from sparse_peft.tasks.fewshot.features import Features
from sparse_peft.tasks.fewshot.recipe import Classes
from sparse_peft.tasks.job import Cancelled, NotFinite
from tests.tasks.fewshot.small import METHODS, prepared, shared_by, trained
from tests.tasks.local_job import LocalJob

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(backbone: Path) -> Classes:
    return shared_by(backbone)


@pytest.fixture(scope="module")
def ready(shared: Classes, tmp_path_factory: pytest.TempPathFactory) -> LocalJob:
    return prepared(shared, tmp_path_factory.mktemp("ready"))


@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_and_is_tested(
    ready: LocalJob, shared: Classes, tmp_path: Path, method: str
) -> None:
    job = trained(ready, shared, tmp_path, method, steps=3)
    report = job.read_report()
    assert [step for step, _ in report["losses"]] == [1, 2, 3]
    assert (report["method"], report["over_budget"], report["budget"]) == (method, False, 500)
    assert report["stopped_at"] is None
    assert report["ended_at"] is None
    assert report["footprint"]["active"] > 0
    assert report["adapter_bytes"] > 0
    assert report["seconds"] > 0
    drawn = read_draw(ready.folder, 1)
    found = load_file(tmp_path / "predictions.safetensors")
    assert found["place"].tolist() == list(drawn.test)
    right = (found["predicted"] == found["label"]).double().mean().item()
    assert report["accuracy"] == right
    assert report["history"] == [{"step": 3, "accuracy": right}]
    assert not (tmp_path / "predictions-new.safetensors").exists()
    with Image.open(tmp_path / "change.png") as change:
        assert change.size == (48, 48)
    card = read_classifier(tmp_path / "adapter")
    assert (card.kind, card.method, card.run) == ("adapter", method, f"{method}-s1")
    assert card.classes == shared.classes


def test_what_is_learned_shows_on_the_shots(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    report = trained(
        ready, shared, tmp_path, "lora", steps=60, checkpoint_every=60, batch_size=6
    ).read_report()
    losses = [loss for _, loss in report["losses"]]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert report["accuracy"] > 0.9  # colours are easy


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_training_goes_on_bit_for_bit(
    ready: LocalJob, shared: Classes, tmp_path: Path, method: str
) -> None:
    settings: dict[str, Any] = {"sample_every": 2, "steps": 5}
    whole = trained(ready, shared, tmp_path / "whole", method, **settings)
    with pytest.raises(Cancelled) as end:
        trained(ready, shared, tmp_path / "parts", method, stop_at=2, **settings)
    assert end.value.step == 2
    resumed = trained(ready, shared, tmp_path / "parts", method, **settings)
    assert [e["step"] for e in resumed.events if e["kind"] == "step"] == [3, 4, 5]
    first, second = whole.read_report(), resumed.read_report()
    assert first["losses"] == second["losses"]
    assert first["history"] == second["history"]
    assert [row["step"] for row in first["history"]] == [2, 4, 5]
    names = ["predictions.safetensors", *_files(tmp_path / "whole" / "adapter")]
    assert len(names) > 3
    for name in names:
        same = (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
        assert same, name


def _files(folder: Path) -> list[str]:
    paths = (p for p in folder.rglob("*") if p.is_file())
    return [path.relative_to(folder.parent).as_posix() for path in paths]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    def losses(name: str, seed: int) -> Any:
        torch.rand(seed)  # what others drew before must not matter
        return trained(ready, shared, tmp_path / name, "lora", seed=seed).read_report()["losses"]

    assert losses("a", 1) == losses("b", 1)
    assert losses("a", 1) != losses("c", 2)


def test_what_was_learned_is_kept_or_discarded_when_a_training_is_stopped(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        trained(ready, shared, tmp_path / "kept", stop_at=1)
    report = LocalJob(tmp_path / "kept", shared).read_report()
    assert (report["stopped_at"], report["ended_at"]) == (1, None)
    assert (tmp_path / "kept" / "predictions.safetensors").exists()
    with pytest.raises(Cancelled):
        trained(ready, shared, tmp_path / "gone", stop_at=1, stop="discard")
    assert not (tmp_path / "gone" / "report.json").exists()
    assert not (tmp_path / "gone" / "adapter").exists()


def test_a_training_ends_once_it_has_learned(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    job = trained(ready, shared, tmp_path, steps=50, stop_below=100.0)  # any loss is below it
    report = job.read_report()
    assert report["ended_at"] == 2  # the steps of one pass of 6 pictures in batches of 4
    assert report["stopped_at"] is None
    assert [step for step, _ in report["losses"]] == [1, 2]
    assert [e["step"] for e in job.events if e["kind"] == "checkpoint"] == [1, 2]


def test_test_pictures_are_looked_at_on_the_way(
    ready: LocalJob, shared: Classes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "ON_THE_WAY", 6)
    job = trained(ready, shared, tmp_path, steps=4, sample_every=2)
    told = [event for event in job.events if event["kind"] == "evaluation"]
    assert [(event["step"], event["of"]) for event in told] == [(2, 6), (4, 12)]
    history = [{"step": event["step"], "accuracy": event["accuracy"]} for event in told]
    assert job.read_report()["history"] == history


def test_looking_on_the_way_changes_no_bit(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    first = trained(ready, shared, tmp_path / "a", sample_every=1).read_report()
    second = trained(ready, shared, tmp_path / "b", sample_every=100).read_report()
    assert first["losses"] == second["losses"]


def test_a_loss_or_a_prediction_that_is_not_finite_ends_the_run(
    ready: LocalJob, shared: Classes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = torch.full((3, 32), float("nan"))
    monkeypatch.setattr(Features, "texts", lambda *_, **__: nothing)
    with pytest.raises(NotFinite, match="At step 0 the loss is not a finite number"):
        trained(ready, shared, tmp_path / "loss")
    monkeypatch.undo()
    monkeypatch.setattr(Features, "at", lambda *_: nothing[:1])
    with pytest.raises(NotFinite, match="a prediction is not a finite number"):
        trained(ready, shared, tmp_path / "prediction")
    assert not (tmp_path / "prediction" / "report.json").exists()


@pytest.fixture(scope="module")
def half_new(backbone: Path) -> Classes:
    return shared_by(
        backbone, classes=("boat", "cat"), new_classes=("apple",), labels=(1, 2, 0), seeds=(1,)
    )


def test_new_classes_are_told_apart_by_their_own_prompts(half_new: Classes, tmp_path: Path) -> None:
    ready = prepared(half_new, tmp_path)
    trained(ready, half_new, tmp_path / "train")
    drawn = read_draw(ready.folder, 1)
    found = load_file(tmp_path / "train" / "predictions-new.safetensors")
    assert found["place"].tolist() == list(drawn.new)
    assert found["top"].shape == (len(drawn.new), 1)
    assert found["label"].unique().tolist() == [0]
    assert load_file(tmp_path / "train" / "predictions.safetensors")["top"].shape[1] == 2


@pytest.mark.parametrize("tower", ["visual", "text"])
@pytest.mark.parametrize("augmentation", ["none", "crop"])
def test_with_a_frozen_tower_the_losses_are_those_of_computing_everything(
    backbone: Path,
    tmp_path: Path,
    tower: str,
    augmentation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = shared_by(backbone, targets=f"qkv:{tower}", augmentation=augmentation, seeds=(1,))
    ready = prepared(shared, tmp_path)
    first = trained(ready, shared, tmp_path / "cached").read_report()
    towers = {name.partition("/")[0] for name in _targets(shared)}
    assert towers == {tower}
    original = Features.__init__

    def all_tuned(self: Features, clip: Any, pictures: Any, own: Any, frozen: Any, _: Any) -> None:
        original(self, clip, pictures, own, frozen, {"visual", "text"})

    monkeypatch.setattr(Features, "__init__", all_tuned)
    second = trained(ready, shared, tmp_path / "computed").read_report()
    for (_, ours), (_, theirs) in zip(first["losses"], second["losses"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert first["accuracy"] == second["accuracy"]


def _targets(shared: Classes) -> list[str]:
    return list(clip_source.shapes(clip_source.resolve(shared.backbone), shared.targets))


def test_half_precision_is_full_precision_without_cuda(
    ready: LocalJob, backbone: Path, shared: Classes, tmp_path: Path
) -> None:
    full = trained(ready, shared, tmp_path / "full").read_report()
    half = trained(ready, shared_by(backbone, precision="fp16"), tmp_path / "half").read_report()
    assert full["losses"] == half["losses"]


@pytest.fixture
def own_accelerate() -> Iterator[None]:
    """One process keeps one precision; a run has a process of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("own_accelerate")
def test_bfloat16_is_close_to_full_precision(
    backbone: Path, shared: Classes, ready: LocalJob, tmp_path: Path
) -> None:
    full = trained(ready, shared, tmp_path / "full", "so").read_report()
    AcceleratorState._reset_state(reset_partial_state=True)
    mixed = shared_by(backbone, precision="bf16")
    half = trained(ready, mixed, tmp_path / "half", "so").read_report()
    assert full["losses"] != half["losses"]
    for (_, ours), (_, theirs) in zip(half["losses"], full["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=0.05)


@pytest.mark.parametrize("targets", ["attention+mlp", "packed"])
def test_other_targets_are_tuned_too(backbone: Path, tmp_path: Path, targets: str) -> None:
    shared = shared_by(backbone, targets=targets, seeds=(1,))
    report = trained(prepared(shared, tmp_path), shared, tmp_path / "train").read_report()
    assert report["accuracy"] >= 0
    tensors = {}
    for path in (tmp_path / "train" / "adapter").rglob("*.safetensors"):
        tensors |= {f"{path.parent.name}/{name}": t for name, t in load_file(path).items()}
    assert len(tensors) == 2 * len(_targets(shared))


NEEDLESS = ("diffusers", "sklearn", "pandas", "torchmetrics", "gradio")
CODE = """
import sys
from pathlib import Path
from tests.tasks.fewshot.small import shared_by, trained
from tests.tasks.local_job import LocalJob
ready, backbone, folder = map(Path, sys.argv[1:])
before = LocalJob(ready, shared_by(backbone))
trained(before, shared_by(backbone), folder, "so", steps=1)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_worker_loads_what_it_needs_and_no_more(
    ready: LocalJob, backbone: Path, tmp_path: Path
) -> None:
    """Every training is a process of its own, and libraries are most of its start."""
    words = [sys.executable, "-W", "ignore", "-c", CODE]
    told = subprocess.run(
        [*words, str(ready.folder), str(backbone), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    ).stdout.split()
    assert {"torch", "open_clip"} <= set(told)
    assert not set(NEEDLESS) & set(told)
    assert "peft" not in told  # SO needs none of it
