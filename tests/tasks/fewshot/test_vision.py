"""Few-shot runs on a vision backbone: every method beside the head that the task owns."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.vision import model as vision
from sparse_peft.backbones.vision.view import View
from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.methods import all_methods
from sparse_peft.methods.method import Plan
from sparse_peft.tasks.fewshot import merge, train
from sparse_peft.tasks.fewshot.classifier import open_classifier, read_classifier
from sparse_peft.tasks.fewshot.classify import classify
from sparse_peft.tasks.fewshot.draws import read_draw
from sparse_peft.tasks.fewshot.recipe import (
    SCRIPT,
    Classes,
    ClassTraining,
    ClassTrainSettings,
    MergeSettings,
)
from sparse_peft.tasks.job import Cancelled
from tests.tasks.fewshot.small import OUTPUTS, prepared, said_by_script, shared_by
from tests.tasks.local_job import LocalJob

pytestmark = pytest.mark.slow

NAME = "timm:test_vit/random"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shared() -> Classes:
    return shared_by(
        Path(NAME), targets="attention+mlp", scale=None, seeds=(1,), jitter=0.2,
        cls_token=True, view=View(crop="whole", share=1.0, normal="imagenet"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def ready(shared: Classes, tmp_path_factory: pytest.TempPathFactory) -> LocalJob:
    return prepared(shared, tmp_path_factory.mktemp("ready"), ("linear_probe",))


def run(
    ready: LocalJob, shared: Classes, folder: Path, method: str = "so", **changes: Any
) -> LocalJob:
    """A short training of a method at the smallest size that holds some of it."""
    shapes = sources.shapes(sources.resolve(NAME, "fewshot"), shared.targets)
    kind = all_methods()[method]()
    span = kind.budget_range(shapes)
    sized = kind if span is None else kind.fit(span[0] + 3 * max(span[1], 500), shapes)
    stops = {name: changes.pop(name) for name in ("stop_at", "stop") if name in changes}
    training: dict[str, Any] = {
        "lr": 2e-3, "seed": 1, "steps": 3, "batch_size": 4, "sample_every": 2, "warmup": 0.5,
        "head_lr": 1e-2, "checkpoint_every": 1,
    }  # fmt: skip
    settings = ClassTrainSettings(
        shared, ClassTraining(**training | changes), method, tables.table(sized), budget=500
    )
    job = LocalJob(folder, settings, **stops)
    if not (folder / "inputs").exists():
        shutil.copytree(ready.folder / "inputs", folder / "inputs")
        for name in OUTPUTS:
            shutil.copyfile(ready.folder / name, folder / "inputs" / name)
    train.run(job)
    return job


def test_the_linear_probe_reads_frozen_features(ready: LocalJob, shared: Classes) -> None:
    frozen = load_file(ready.folder / "features.safetensors")
    assert set(frozen) == {"places", "pictures"}
    report = ready.read_report()
    assert list(report["runs"]) == ["linear_probe-s1"]
    assert report["alike"] == []
    assert report["versions"]["timm"] == timm.__version__
    head = load_file(ready.folder / "heads" / "linear_probe-s1.safetensors")
    drawn = read_draw(ready.folder, 1)
    rows = [frozen["places"].tolist().index(place) for place in drawn.test]
    logits = frozen["pictures"][rows] @ head["weight"].T + head["bias"]
    found = load_file(ready.folder / "predictions" / "linear_probe-s1.safetensors")
    assert torch.equal(found["predicted"], logits.argmax(1).int())
    assert report["runs"]["linear_probe-s1"]["accuracy"] > 0.6  # colours are easy
    card = read_classifier(ready.folder / "classifiers" / "linear_probe-s1")
    assert (card.kind, card.view) == ("head", shared.view)


@pytest.mark.parametrize("method", sorted(all_methods()))
def test_every_method_learns_beside_the_head(
    ready: LocalJob, shared: Classes, tmp_path: Path, method: str
) -> None:
    job = run(ready, shared, tmp_path, method)
    report = job.read_report()
    assert [step for step, _ in report["losses"]] == [1, 2, 3]
    token = load_file(tmp_path / "adapter" / "head.safetensors").get("cls_token")
    size = 3 * 64 + 3 + (0 if token is None else token.numel())
    assert report["head"]["values"] == size
    shapes = sources.shapes(sources.resolve(NAME, "fewshot"), shared.targets)
    planned = tables.build(all_methods()[method], report["fields"], "").footprint(
        shapes, Plan(3, 1)
    )
    assert report["footprint"]["active"] == planned.active  # the head is not in it
    files = sum(p.stat().st_size for p in (tmp_path / "adapter").rglob("*") if p.is_file())
    assert report["adapter_bytes"] + report["head"]["bytes"] == files
    drawn = read_draw(ready.folder, 1)
    found = load_file(tmp_path / "predictions.safetensors")
    assert found["place"].tolist() == list(drawn.test)
    card = read_classifier(tmp_path / "adapter")
    assert (card.kind, card.method) == ("adapter+head", method)
    _check_classified(ready, job)


def _check_classified(ready: LocalJob, job: LocalJob) -> None:
    """The folder says what the run said, with the backbone alone."""
    found = load_file(job.folder / "predictions.safetensors")
    labelled = Labelled.load(ready.folder / "inputs")
    pictures = {
        str(place): ready.folder / "inputs" / labelled.pictures[place].file
        for place in found["place"].tolist()
    }
    rows = classify({"it": job.folder / "adapter"}, pictures, CPU, lambda *_: None)
    said = [row["results"]["it"][0] for row in rows]
    names = ("apple", "boat", "cat")
    assert [guess["class"] for guess in said] == [names[k] for k in found["predicted"]]
    told = torch.tensor([guess["probability"] for guess in said])
    torch.testing.assert_close(told, found["confidence"], rtol=1e-4, atol=1e-4)


def test_what_is_learned_shows(ready: LocalJob, shared: Classes, tmp_path: Path) -> None:
    job = run(ready, shared, tmp_path, "lora", steps=40, batch_size=6, checkpoint_every=40, lr=5e-3)
    losses = [loss for _, loss in job.read_report()["losses"]]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.parametrize("method", ["lora", "so"])
def test_a_stopped_training_goes_on_bit_for_bit(
    ready: LocalJob, shared: Classes, tmp_path: Path, method: str
) -> None:
    whole = run(ready, shared, tmp_path / "whole", method, steps=4)
    with pytest.raises(Cancelled):
        run(ready, shared, tmp_path / "parts", method, steps=4, stop_at=2)
    again = run(ready, shared, tmp_path / "parts", method, steps=4)
    first, second = whole.read_report(), again.read_report()
    assert first["losses"] == second["losses"]
    assert first["history"] == second["history"]
    for name in ("predictions.safetensors", "adapter/head.safetensors"):
        one, two = ((tmp_path / part / name).read_bytes() for part in ("whole", "parts"))
        assert one == two, name


def test_branches_of_the_backbone_are_left_out_in_training_alone(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    plain = run(ready, shared, tmp_path / "plain").read_report()
    values = vars(shared) | {"drop_path": 0.5}
    dropped = run(ready, Classes(**values), tmp_path / "dropped")
    assert dropped.read_report()["losses"] != plain["losses"]
    _check_classified(ready, dropped)


@pytest.mark.parametrize("method", ["waveft", "so", "linear_probe"])
def test_a_merged_checkpoint_is_timms_own_and_its_script_classifies(
    ready: LocalJob, shared: Classes, tmp_path: Path, method: str
) -> None:
    classifier = ready.folder / "classifiers" / "linear_probe-s1"
    found = load_file(ready.folder / "predictions" / "linear_probe-s1.safetensors")
    if method != "linear_probe":
        done = run(ready, shared, tmp_path / "train", method)
        classifier = done.folder / "adapter"
        found = load_file(done.folder / "predictions.safetensors")
    shutil.copytree(classifier, tmp_path / "merge" / "inputs" / "run")
    job = LocalJob(tmp_path / "merge", MergeSettings("run"))
    merge.run(job)
    merged = job.folder / "merged"
    model = timm.create_model("test_vit", num_classes=3)
    model.load_state_dict(load_file(merged / "model.safetensors"))
    untouched = vision.load(sources.resolve(NAME, "fewshot"), CPU).checkpoint(
        torch.zeros(3, 64), torch.zeros(3)
    )
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, untouched[n])}
    assert {"head.weight", "head.bias"} <= changed
    assert ("cls_token" in changed) == (method != "linear_probe")
    others = {n for n in changed if "blocks" in n}
    assert bool(others) == (method != "linear_probe")
    assert all(n.endswith(".weight") and "norm" not in n for n in others)
    labelled = Labelled.load(ready.folder / "inputs")
    (tmp_path / "pictures").mkdir()
    for place in found["place"].tolist():
        own = ready.folder / "inputs" / labelled.pictures[place].file
        shutil.copyfile(own, tmp_path / "pictures" / f"{place:03}.png")
    rows = said_by_script(merged / SCRIPT, tmp_path / "pictures")
    order = found["place"].argsort()
    names = ("apple", "boat", "cat")
    assert [row[1] for row in rows] == [names[k] for k in found["predicted"][order]]
    ours = torch.tensor([float(row[2].rstrip("%")) / 100 for row in rows])
    torch.testing.assert_close(ours, found["confidence"][order], rtol=0, atol=2e-3)
    assert len(merge.TIMM_SCRIPT.splitlines()) <= 15


def test_a_classifier_that_cannot_be_opened_leaves_the_backbone_as_it_was(
    ready: LocalJob, shared: Classes, tmp_path: Path
) -> None:
    folder = run(ready, shared, tmp_path / "train").folder / "adapter"
    (damaged,) = folder.rglob("sparse_delta.safetensors")
    os.truncate(damaged, 40)
    source = sources.resolve(NAME, "fewshot")
    backbone = vision.load(source, CPU, shared.view)
    before = {name: value.clone() for name, value in backbone._model.state_dict().items()}
    with pytest.raises(BackboneError):
        open_classifier(folder, backbone, sources.fingerprint(source))
    after = backbone._model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_classifiers_that_see_pictures_differently_are_not_mixed(
    ready: LocalJob, tmp_path: Path
) -> None:
    one = ready.folder / "classifiers" / "linear_probe-s1"
    other = tmp_path / "other"
    shutil.copytree(one, other)
    text = (other / "classifier.json").read_text(encoding="utf-8")
    (other / "classifier.json").write_text(text.replace('"whole"', '"middle"'))
    with pytest.raises(SpecError, match="shown pictures in different ways"):
        classify({"a": one, "b": other}, {}, CPU, lambda *_: None)
