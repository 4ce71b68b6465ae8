"""A merged adapter is an ordinary open_clip checkpoint, and its script classifies by it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import load_file

from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import BackboneError, SpecError
from sparse_peft.tasks.fewshot import merge
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER, SCRIPT, MergeSettings
from sparse_peft.tasks.job import Cancelled
from tests.tasks.fewshot.small import METHODS, prepared, said_by_script, shared_by, trained
from tests.tasks.local_job import LocalJob

pytestmark = pytest.mark.slow

CLASSES = ("apple", "boat", "cat")


@pytest.fixture(scope="module", params=["qkv", "packed"])
def ready(
    request: pytest.FixtureRequest, backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> LocalJob:
    shared = shared_by(backbone, targets=request.param, seeds=(1,))
    return prepared(shared, tmp_path_factory.mktemp("ready"), ("zeroshot", "linear_probe"))


def merging(folder: Path, classifier: Path, name: str = "run", **more: int) -> LocalJob:
    shutil.copytree(classifier, folder / "inputs" / name)
    return LocalJob(folder, MergeSettings(name), **more)


@pytest.mark.parametrize("method", METHODS)
def test_the_script_says_what_the_comparison_said(
    ready: LocalJob, backbone: Path, tmp_path: Path, method: str
) -> None:
    targets = ready.settings["shared"]["targets"]
    shared = shared_by(backbone, targets=targets, seeds=(1,))
    done = trained(ready, shared, tmp_path / "train", method, steps=3)
    job = merging(tmp_path / "merge", done.folder / "adapter")
    merge.run(job)
    merged = job.folder / job.read_report()["merged"]
    before, after = (load_file(f / "open_clip_model.safetensors") for f in (backbone, merged))
    assert {n: t.shape for n, t in before.items()} == {n: t.shape for n, t in after.items()}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("resblocks" in name for name in changed)
    assert clip_source.resolve(str(merged)).folder == merged
    if method == "lora":
        _check_script(merged, ready, done, tmp_path)


def _check_script(merged: Path, ready: LocalJob, done: LocalJob, scratch: Path) -> None:
    found = load_file(done.folder / "predictions.safetensors")
    labelled = Labelled.load(ready.folder / "inputs")
    folder = scratch / "pictures"
    folder.mkdir()
    for place in found["place"].tolist():
        own = ready.folder / "inputs" / labelled.pictures[place].file
        shutil.copyfile(own, folder / f"{place:03}.png")
    _lay_down(folder / f"{found['place'][0]:03}.png")
    rows = said_by_script(merged / SCRIPT, folder)
    order = found["place"].argsort()
    assert [row[0] for row in rows] == [f"{place:03}.png" for place in found["place"][order]]
    assert [row[1] for row in rows] == [CLASSES[k] for k in found["predicted"][order]]
    ours = torch.tensor([float(row[2].rstrip("%")) / 100 for row in rows])
    torch.testing.assert_close(ours, found["confidence"][order], rtol=0, atol=2e-3)


def _lay_down(path: Path) -> None:
    """As a telephone held sideways saves it: turned, with a note how to show it."""
    with Image.open(path) as picture:
        turned, note = picture.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    note[ExifTags.Base.Orientation] = 6
    turned.save(path, exif=note)


def test_zero_shot_becomes_the_backbone_itself(
    ready: LocalJob, backbone: Path, tmp_path: Path
) -> None:
    job = merging(tmp_path, ready.folder / "classifiers" / "zeroshot")
    merge.run(job)
    before, after = (
        load_file(folder / "open_clip_model.safetensors")
        for folder in (backbone, tmp_path / "merged")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_zero_shot_of_another_backbone_of_that_name_is_refused(
    ready: LocalJob, tmp_path: Path
) -> None:
    job = merging(tmp_path, ready.folder / "classifiers" / "zeroshot")
    path = tmp_path / "inputs" / "run" / CLASSIFIER
    card = json.loads(path.read_text()) | {"backbone_sha256": "0" * 64}
    path.write_text(json.dumps(card))
    with pytest.raises(BackboneError, match="was made for another backbone"):
        merge.run(job)
    assert not (tmp_path / "merged").exists()


def test_a_linear_probe_cannot_be_merged(ready: LocalJob, tmp_path: Path) -> None:
    job = merging(tmp_path, ready.folder / "classifiers" / "linear_probe-s1")
    with pytest.raises(SpecError, match="Linear probe has a layer of its own"):
        merge.run(job)


def test_a_merge_stops_when_asked(ready: LocalJob, tmp_path: Path) -> None:
    job = merging(tmp_path, ready.folder / "classifiers" / "zeroshot", stop_at=0)
    with pytest.raises(Cancelled):
        merge.run(job)
    assert not (tmp_path / "merged").exists()


def test_the_script_is_short() -> None:
    assert len(merge.SCRIPT_TEXT.splitlines()) <= 15
    compile(merge.SCRIPT_TEXT, "classify_folder.py", "exec")
