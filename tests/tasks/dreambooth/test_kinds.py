"""prepare, train and generate as they run, on small random backbones of both classes."""

import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sparse_peft.backbones import judge as judges
from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.errors import SpecError
from sparse_peft.tasks import probe
from sparse_peft.tasks.dreambooth import generate, prepare, timing, train
from sparse_peft.tasks.dreambooth.gallery import Gallery
from sparse_peft.tasks.dreambooth.recipe import GenerateSettings, ProbeSettings
from sparse_peft.tasks.job import Cancelled, NotFinite
from tests.small_models import save_sd, save_sdxl
from tests.tasks.local_job import LocalJob, as_inputs_of, inputs, small_shared, train_settings

METHODS = ["lora", "waveft", "so"]
CPU = torch.device("cpu")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LocalJob:
    scratch = tmp_path_factory.mktemp(request.param)
    model = (save_sd if request.param == "sd" else save_sdxl)(scratch / "model")
    job = LocalJob(scratch / "prepare", small_shared(model))
    inputs(job.folder, scratch)
    prepare.run(job)
    return job


def trained(ready: LocalJob, folder: Path, method: str, **changes: object) -> LocalJob:
    stop_at = changes.pop("stop_at", None)
    shared = small_shared(Path(ready.settings["backbone"]))
    job = LocalJob(folder, train_settings(shared, method, **changes), stop_at)  # type: ignore[arg-type]
    as_inputs_of(ready.folder, folder)
    train.run(job)
    return job


def test_prepare_leaves_what_the_others_share(ready: LocalJob) -> None:
    report = ready.read_report()
    backbone = source.resolve(ready.settings["backbone"])
    assert report["backbone"]["sha256"] == source.fingerprint(backbone)
    assert report["prompts"] == ["a sks cat in the snow", "a dog"]
    assert report["plain_prompts"] == ["a cat in the snow", "a dog"]
    assert [(r["prompt"], r["seed"]) for r in report["samples"]] == [
        (prompt, seed) for prompt in range(2) for seed in range(3)
    ]
    for row in report["samples"]:
        with Image.open(ready.folder / row["path"]) as picture:
            assert picture.size == (32, 32)
    features = load_file(ready.folder / "features.safetensors")
    assert {k: len(v) for k, v in features.items()} == {
        "pictures": 3, "prompts": 2, "samples": 6, "subjects": 6, "class": 3,
    }  # fmt: skip
    scores = features["subjects"] @ features["pictures"].T
    np.testing.assert_allclose([r["subject"] for r in report["samples"]], scores.mean(1), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_trains_three_steps_and_is_measured(
    ready: LocalJob, tmp_path: Path, method: str
) -> None:
    job = trained(ready, tmp_path, method, steps=3)
    report = job.read_report()
    shapes = source.shapes(source.resolve(ready.settings["backbone"]), "attention+ff")
    counted = {
        "lora": 2 * sum(out + into for out, into in shapes.values()),
        "waveft": 40 * len(shapes),
        "so": sum(max(1, int(out * into * 0.02)) for out, into in shapes.values()),
    }
    assert report["footprint"]["active"] == counted[method]
    assert report["adapter_bytes"] > 0
    assert report["seconds"] > 0
    assert len(report["samples"]) == 6
    assert report["stopped_at"] is None
    assert [step for step, _ in report["losses"]] == [1, 2, 3]
    ours, base = (load_file(f / "features.safetensors") for f in (job.folder, ready.folder))
    assert ours["samples"].shape == base["samples"].shape
    with Image.open(job.folder / "change.png") as change:
        assert change.size == (48, 48)


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_training_goes_on_bit_for_bit(
    ready: LocalJob, tmp_path: Path, method: str
) -> None:
    whole = trained(ready, tmp_path / "whole", method)
    with pytest.raises(Cancelled) as end:
        trained(ready, tmp_path / "parts", method, stop_at=2)
    assert end.value.step == 2
    resumed = trained(ready, tmp_path / "parts", method)
    assert [e["step"] for e in resumed.events if e["kind"] == "step"] == [3, 4]
    first, second = whole.read_report(), resumed.read_report()
    assert first["losses"] == second["losses"]
    assert len(list((tmp_path / "whole" / "adapter").rglob("*.safetensors"))) == 1
    for path in (tmp_path / "whole" / "adapter").rglob("*.safetensors"):
        other = tmp_path / "parts" / "adapter" / path.relative_to(tmp_path / "whole" / "adapter")
        assert path.read_bytes() == other.read_bytes()


def test_what_was_learned_is_kept_when_a_training_is_stopped(
    ready: LocalJob, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        trained(ready, tmp_path, "lora", stop_at=1)
    report = LocalJob(tmp_path, small_shared(tmp_path)).read_report()
    assert report["stopped_at"] == 1
    assert len(report["samples"]) == 6


def test_samples_on_the_way_are_of_the_first_seed(ready: LocalJob, tmp_path: Path) -> None:
    report = trained(ready, tmp_path, "lora", steps=3, sample_every=2).read_report()
    assert [(r["step"], r["prompt"], r["seed"]) for r in report["history"]] == [
        (2, 0, 0),
        (2, 1, 0),
    ]


def test_a_new_prompt_is_drawn_by_the_base_and_by_every_adapter(
    ready: LocalJob, tmp_path: Path
) -> None:
    names = []
    folder = tmp_path / "generate"
    for method in METHODS:
        done = trained(ready, tmp_path / method, method, steps=2, lr=0.05)
        done.folder.joinpath("adapter").rename(_made(folder / "inputs") / method)
        names.append(method)
    (folder / "inputs" / "shared.safetensors").write_bytes(
        (ready.folder / "shared.safetensors").read_bytes()
    )
    shared = small_shared(Path(ready.settings["backbone"]))
    job = LocalJob(folder, GenerateSettings(shared, "a {subject} at sunset", (0,), tuple(names)))
    generate.run(job)
    report = job.read_report()
    assert report["prompt"] == "a sks cat at sunset"
    pictures = {
        name: (folder / rows[0]["path"]).read_bytes() for name, rows in report["samples"].items()
    }
    assert list(pictures) == ["base", *METHODS]
    assert len(set(pictures.values())) == 4
    assert all(-1 <= rows[0]["subject"] <= 1 for rows in report["samples"].values())


def test_pictures_that_are_not_finite_end_the_run_in_words(
    ready: LocalJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [torch.full((3, 32, 32), float("nan"))] * 6
    monkeypatch.setattr(Gallery, "_draw", lambda *_: broken)
    with pytest.raises(NotFinite, match="a test picture is not a finite number"):
        trained(ready, tmp_path, "lora", steps=1)
    assert not (tmp_path / "report.json").exists()


def test_a_prepare_run_stops_when_asked(ready: LocalJob, tmp_path: Path) -> None:
    job = LocalJob(tmp_path, small_shared(Path(ready.settings["backbone"])), stop_at=0)
    with pytest.raises(Cancelled):
        prepare.run(job)
    assert not (tmp_path / "report.json").exists()


def test_without_a_judge_the_metrics_are_absent(ready: LocalJob, tmp_path: Path) -> None:
    shared = small_shared(Path(ready.settings["backbone"]), judge=None)
    job = LocalJob(tmp_path / "prepare", shared)
    inputs(job.folder, tmp_path)
    prepare.run(job)
    report = job.read_report()
    assert report["judge"] is None
    assert {row["subject"] for row in report["samples"]} == {None}
    assert load_file(job.folder / "features.safetensors") == {}


def test_scores_are_the_same_in_half_precision(
    ready: LocalJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [torch.rand(3, 32, 32) * 2 - 1 for _ in range(6)]
    monkeypatch.setattr(Gallery, "_draw", lambda *_: pictures)
    shared = small_shared(Path(ready.settings["backbone"]))
    backbone = diffusion.load(source.resolve(shared.backbone), CPU, with_text=False)
    prepared = load_file(ready.folder / "shared.safetensors")
    judge = judges.load("builtin", CPU)
    gallery = Gallery(backbone, judge, shared, prepared, tmp_path, lambda *_, **__: None)
    whole = gallery.samples(0, "whole", shared.seeds).rows
    with torch.autocast("cpu", torch.bfloat16):
        half = gallery.samples(0, "whole", shared.seeds).rows
    assert half == whole


def test_the_probe_counts_cores_where_the_system_does_not_tell_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    job = LocalJob(tmp_path, ProbeSettings())
    probe.run(job)
    assert job.read_report()["devices"][0]["cores"] == os.cpu_count()


def test_the_probe_says_what_the_machine_has(ready: LocalJob, tmp_path: Path) -> None:
    job = LocalJob(tmp_path, ProbeSettings(ready.settings["backbone"]))
    probe.run(job)
    report = job.read_report()
    assert report["devices"][0]["cores"] >= 1
    assert report["versions"]["torch"] == version("torch")
    assert report["forward_ms"] > 0
    shapes = source.shapes(source.resolve(ready.settings["backbone"]), "attention")
    assert report["tunable"]["attention"]["weights"] == len(shapes)
    assert "trainings" not in report


def test_the_probe_times_trainings_and_a_picture_and_leaves_the_backbone_as_it_was(
    ready: LocalJob, tmp_path: Path
) -> None:
    shared = small_shared(Path(ready.settings["backbone"]))
    trainings = tuple(train_settings(shared, name, steps=500) for name in (*METHODS, "lora"))
    job = LocalJob(tmp_path, ProbeSettings(shared.backbone, trainings))
    probe.run(job)
    report = job.read_report()
    assert [row["method"] for row in report["trainings"]] == [*METHODS, "lora"]
    for row in report["trainings"]:
        assert row["fits"]
        assert row["step_ms"] > 0
    first, last = (row["active"] for row in report["trainings"] if row["method"] == "lora")
    assert first == last > 0  # a second attachment found no trace of the first
    assert report["picture_seconds"] > 0
    assert report["load_seconds"] > 0


def test_a_training_that_the_memory_cannot_hold_does_not_end_the_probe(
    ready: LocalJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> dict[str, object]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(timing, "_timed", too_large)
    shared = small_shared(Path(ready.settings["backbone"]), judge=None)
    job = LocalJob(tmp_path, ProbeSettings(shared.backbone, (train_settings(shared, "lora"),)))
    probe.run(job)
    [row] = job.read_report()["trainings"]
    assert (row["fits"], row["step_ms"], row["peak_mib"]) == (False, None, None)


def test_a_probe_stops_when_asked_and_times_its_own_backbone_only(
    ready: LocalJob, tmp_path: Path
) -> None:
    shared = small_shared(Path(ready.settings["backbone"]))
    trainings = (train_settings(shared, "lora"),)
    with pytest.raises(Cancelled):
        probe.run(LocalJob(tmp_path, ProbeSettings(shared.backbone, trainings), stop_at=0))
    with pytest.raises(SpecError, match="its own backbone only"):
        ProbeSettings("builtin", trainings)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
