"""What a prepare run leaves for the trainings of its comparison."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.data.labelled import Labelled
from sparse_peft.tasks.fewshot import prepare
from sparse_peft.tasks.fewshot.classifier import read_classifier
from sparse_peft.tasks.fewshot.draws import all_draws, needed, read_draw
from sparse_peft.tasks.fewshot.pictures import Pictures, framing, scaled
from sparse_peft.tasks.fewshot.recipe import Classes, ClassPrepareSettings
from sparse_peft.tasks.job import Cancelled
from tests.labelled_sets import small_set
from tests.tasks.fewshot.small import place_set, prepared, shared_by
from tests.tasks.local_job import LocalJob

CPU = torch.device("cpu")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(backbone: Path) -> Classes:
    return shared_by(backbone, classes=("boat", "cat"), new_classes=("apple",), labels=(1, 2, 0))


@pytest.fixture(scope="module")
def ready(shared: Classes, tmp_path_factory: pytest.TempPathFactory) -> LocalJob:
    return prepared(shared, tmp_path_factory.mktemp("ready"), ("zeroshot", "linear_probe"))


@pytest.fixture
def labelled(ready: LocalJob) -> Labelled:
    return Labelled.load(ready.folder / "inputs")


def test_features_are_those_of_every_picture_that_is_needed(
    ready: LocalJob, shared: Classes, labelled: Labelled
) -> None:
    source = clip_source.resolve(shared.backbone)
    model = clip.load(source, CPU)
    draws = all_draws(labelled, shared)
    assert {seed: read_draw(ready.folder, seed) for seed in draws} == draws
    found = load_file(ready.folder / "features.safetensors")
    assert found["places"].tolist() == needed(draws)
    frame = framing(model.side, model.config()["preprocess_cfg"])
    squares = Pictures(labelled, ready.folder / "inputs", frame).squares(needed(draws))
    with torch.no_grad():
        torch.testing.assert_close(found["pictures"], model.pictures(scaled(squares, CPU)))
        torch.testing.assert_close(found["texts"], model.texts(model.tokens(["a boat", "a cat"])))
        torch.testing.assert_close(found["new_texts"], model.texts(model.tokens(["a apple"])))
    kept = load_file(ready.folder / "pictures.safetensors")
    assert torch.equal(kept["pixels"], squares)
    framed = prepare.framed_before(ready.folder)
    assert torch.equal(framed[needed(draws)[3]], squares[3])


def test_zero_shot_is_the_nearest_prompt(ready: LocalJob, labelled: Labelled) -> None:
    frozen = load_file(ready.folder / "features.safetensors")
    report = ready.read_report()
    rows = {place: row for row, place in enumerate(frozen["places"].tolist())}
    for seed in (1, 2):
        drawn = read_draw(ready.folder, seed)
        for name, places, texts in (
            (f"zeroshot-s{seed}", drawn.test, "texts"),
            (f"zeroshot-s{seed}-new", drawn.new, "new_texts"),
        ):
            found = load_file(ready.folder / "predictions" / f"{name}.safetensors")
            logits = 20 * frozen["pictures"][[rows[p] for p in places]] @ frozen[texts].T
            assert found["place"].tolist() == list(places)
            assert torch.equal(found["predicted"], logits.argmax(1).int())
            torch.testing.assert_close(found["confidence"], logits.softmax(1).max(1).values)
        labels = [labelled.pictures[p].label for p in drawn.test]
        own = load_file(ready.folder / "predictions" / f"zeroshot-s{seed}.safetensors")
        assert own["label"].tolist() == [{1: 0, 2: 1}[label] for label in labels]
        right = (own["predicted"] == own["label"]).double().mean().item()
        assert report["runs"][f"zeroshot-s{seed}"]["accuracy"] == right


def test_the_linear_probe_reads_the_shots_and_knows_no_new_classes(ready: LocalJob) -> None:
    drawn = read_draw(ready.folder, 2)
    frozen = load_file(ready.folder / "features.safetensors")
    head = load_file(ready.folder / "heads" / "linear_probe-s2.safetensors")
    rows = [frozen["places"].tolist().index(place) for place in drawn.test]
    logits = frozen["pictures"][rows] @ head["weight"].T + head["bias"]
    found = load_file(ready.folder / "predictions" / "linear_probe-s2.safetensors")
    assert torch.equal(found["predicted"], logits.argmax(1).int())
    assert (found["predicted"] == found["label"]).double().mean() > 0.9  # colours are easy
    assert not (ready.folder / "predictions" / "linear_probe-s2-new.safetensors").exists()


def test_the_references_are_classifiers(ready: LocalJob, shared: Classes) -> None:
    folder = ready.folder / "classifiers"
    card = read_classifier(folder / "zeroshot")
    assert (card.kind, card.run, card.scale) == ("zeroshot", "zeroshot", 20.0)
    assert card.prompts == ("a boat", "a cat")
    probe = read_classifier(folder / "linear_probe-s1")
    assert (probe.kind, probe.run, probe.targets) == ("head", "linear_probe-s1", "qkv")
    same = (folder / "linear_probe-s1" / "head.safetensors").read_bytes()
    assert same == (ready.folder / "heads" / "linear_probe-s1.safetensors").read_bytes()
    sha256 = clip_source.fingerprint(clip_source.resolve(shared.backbone))
    assert card.backbone_sha256 == probe.backbone_sha256 == sha256


def test_the_report_names_what_the_others_need(
    ready: LocalJob, shared: Classes, labelled: Labelled
) -> None:
    report = ready.read_report()
    assert report["backbone"]["id"] == clip_source.resolve(shared.backbone).id
    assert (report["classes"], report["new_classes"]) == (["boat", "cat"], ["apple"])
    names = ["zeroshot-s1", "zeroshot-s2", "linear_probe-s1", "linear_probe-s2"]
    assert list(report["runs"]) == names
    assert all(row["seconds"] > 0 for row in report["references"].values())
    places = needed(all_draws(labelled, shared))
    files = {str(place): labelled.pictures[place].file for place in places}
    assert report["pictures"] == files
    assert report["seconds"] > 0
    assert json.loads(json.dumps(report)) == report
    stages = [event["done"] for event in ready.events if event["kind"] == "stage"]
    assert stages == [0, 1, 2, 3]


def test_pictures_of_a_set_in_place_are_not_copied(
    shared: Classes, ready: LocalJob, tmp_path: Path
) -> None:
    labelled, folder = small_set(tmp_path / "set", side=40)
    lying = Labelled(
        labelled.classes,
        tuple(type(p)(p.file, p.label, p.split, p.name, "") for p in labelled.pictures),
        "small",
        str(folder),
    )
    job = LocalJob(tmp_path / "prepare", ClassPrepareSettings(shared, ("zeroshot",)))
    place_set(lying, folder, job.folder, tmp_path)
    assert [path.name for path in (job.folder / "inputs").glob("*.png")] == []
    prepare.run(job)
    assert not (job.folder / "pictures.safetensors").exists()
    assert prepare.framed_before(job.folder) == {}
    mine, theirs = (load_file(f / "features.safetensors") for f in (job.folder, ready.folder))
    assert F.cosine_similarity(mine["texts"], theirs["texts"]).min() > 0.999


@pytest.fixture
def stopping(shared: Classes, tmp_path: Path) -> LocalJob:
    settings = ClassPrepareSettings(shared, ("zeroshot",))
    return LocalJob(tmp_path / "prepare", settings, stop_at=0)


def test_a_prepare_run_stops_when_asked(stopping: LocalJob) -> None:
    with pytest.raises(Cancelled):
        prepare.run(stopping)
    assert not (stopping.folder / "report.json").exists()


def test_classes_whose_prompts_are_almost_one_text_are_named() -> None:
    texts = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.01, 0.0], [0.0, 0.6, 0.8]]), dim=1
    )
    assert prepare.alike(texts, ["one", "two", "three", "four"]) == [["one", "three"]]
    assert prepare.alike(texts[1:2], ["two"]) == []
