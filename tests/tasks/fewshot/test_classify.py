"""Every classifier of a comparison on new pictures, as the run does it."""

import io
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import DataError, SpecError
from sparse_peft.tasks.fewshot import classify
from sparse_peft.tasks.fewshot.classifier import read_classifier, write_classifier
from sparse_peft.tasks.fewshot.draws import read_draw
from sparse_peft.tasks.fewshot.recipe import ClassifySettings
from sparse_peft.tasks.job import Cancelled
from tests.tasks.fewshot.small import METHODS, prepared, shared_by, trained
from tests.tasks.local_job import LocalJob

pytestmark = pytest.mark.slow

CLASSIFIERS = ("zeroshot", "linear_probe-s1", *(f"{method}-s1" for method in METHODS))


@pytest.fixture(scope="module")
def compared(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepare run, and a training of each method."""
    folder = tmp_path_factory.mktemp("compared")
    shared = shared_by(backbone, seeds=(1,))
    ready = prepared(shared, folder, ("zeroshot", "linear_probe"))
    for method in METHODS:
        trained(ready, shared, folder / method, method, steps=3)
    return folder


def asking(compared: Path, folder: Path, stop_at: int | None = None) -> LocalJob:
    """A classify run of every test picture."""
    labelled = Labelled.load(compared / "prepare" / "inputs")
    places = read_draw(compared / "prepare", 1).test
    inputs = folder / "inputs"
    (inputs / "pictures").mkdir(parents=True)
    names = tuple(f"{place}.png" for place in places)
    for place, name in zip(places, names, strict=True):
        own = compared / "prepare" / "inputs" / labelled.pictures[place].file
        shutil.copyfile(own, inputs / "pictures" / name)
    for name in CLASSIFIERS[:2]:
        shutil.copytree(compared / "prepare" / "classifiers" / name, inputs / name)
    for method in METHODS:
        shutil.copytree(compared / method / "adapter", inputs / f"{method}-s1")
    return LocalJob(folder, ClassifySettings(names, CLASSIFIERS), stop_at)


def test_every_classifier_says_what_it_said_in_the_comparison(
    compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classify, "BATCH", 5)  # several, the last of them shorter
    job = asking(compared, tmp_path)
    classify.run(job)
    report = job.read_report()
    assert report["seconds"] > 0
    files = {
        "zeroshot": compared / "prepare" / "predictions" / "zeroshot-s1.safetensors",
        "linear_probe-s1": compared / "prepare" / "predictions" / "linear_probe-s1.safetensors",
    } | {f"{m}-s1": compared / m / "predictions.safetensors" for m in METHODS}
    classes = ("apple", "boat", "cat")
    said = {}
    for name, path in files.items():
        before = load_file(path)
        assert [row["name"] for row in report["pictures"]] == [
            f"{place}.png" for place in before["place"].tolist()
        ]
        best = [row["results"][name][0] for row in report["pictures"]]
        assert [guess["class"] for guess in best] == [classes[k] for k in before["predicted"]]
        ours = torch.tensor([guess["probability"] for guess in best])
        torch.testing.assert_close(ours, before["confidence"], rtol=1e-3, atol=1e-4)
        assert all(len(row["results"][name]) == 3 for row in report["pictures"])
        said[name] = tuple(ours.tolist())
    assert len(set(said.values())) == len(said)


def test_a_classify_run_stops_when_asked(compared: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        classify.run(asking(compared, tmp_path, stop_at=0))
    assert not (tmp_path / "report.json").exists()


def test_a_picture_that_is_none_is_named(compared: Path, tmp_path: Path) -> None:
    job = asking(compared, tmp_path)
    first = job.settings["pictures"][0]
    (tmp_path / "inputs" / "pictures" / first).write_bytes(b"%PDF-1.4")
    with pytest.raises(DataError, match=rf"{first} could not be read: it is a PDF"):
        classify.run(job)


def test_a_photograph_of_any_shape_will_do(compared: Path, tmp_path: Path) -> None:
    job = asking(compared, tmp_path)
    file = io.BytesIO()
    Image.new("RGB", (300, 90), (200, 30, 30)).save(file, "JPEG")
    (tmp_path / "inputs" / "pictures" / job.settings["pictures"][0]).write_bytes(file.getvalue())
    classify.run(job)
    assert job.read_report()["pictures"][0]["results"].keys() == set(CLASSIFIERS)


def test_classifiers_of_different_comparisons_are_not_mixed(compared: Path, tmp_path: Path) -> None:
    job = asking(compared, tmp_path)
    folder = tmp_path / "inputs" / "lora-s1"
    card = read_classifier(folder)
    changed = vars(card) | {"targets": "packed"}
    write_classifier(folder, type(card)(**changed))
    with pytest.raises(SpecError, match="different targets"):
        classify.run(job)
    write_classifier(folder, type(card)(**vars(card) | {"backbone": "builtin"}))
    with pytest.raises(SpecError, match="2 backbones"):
        classify.run(job)
