"""Few-shot choices become runs: sized, counted, or refused in words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.backbones.vision import source as vision_source
from sparse_peft.backbones.vision.shapes import Outline
from sparse_peft.backbones.vision.view import View
from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import UserError
from sparse_peft.planning import (
    lora_rank_one,
    preset_budget,
    read_classes_plan,
    read_plan,
    read_subject_plan,
)
from sparse_peft.planning.classes import ClassesChoices, check, plan
from sparse_peft.planning.kept import same
from sparse_peft.presets import MethodDefaults
from sparse_peft.tasks.fewshot.recipe import ClassPrepareSettings, ClassTrainSettings
from tests.labelled_sets import small_set


@pytest.fixture
def choices(tmp_path: Path) -> ClassesChoices:
    return choose(tmp_path)


def choose(tmp_path: Path) -> ClassesChoices:
    labelled, folder = small_set(tmp_path / "decoded")
    labelled.save(folder, tmp_path / "home" / "data")
    source = sources.resolve("builtin", "fewshot")
    return ClassesChoices(
        source=source,
        labelled=labelled,
        dataset_id=labelled.id,
        preset=presets.preset("quick", "fewshot", "builtin"),
        methods=("zeroshot", "lora", "so"),
        shots=2,
    )


def test_one_prepare_run_and_a_training_for_each_method_and_draw(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    spec, runs, content = plan(choices, tmp_path / "home")
    assert [run.kind for run in runs] == ["prepare"] + 6 * ["train"]
    assert {run.task for run in runs} == {"fewshot"}
    prepare, *trainings = runs
    assert prepare.id == content.prepare
    assert {run.comparison for run in runs} == {spec.id}
    assert all(run.needs == (prepare.id,) for run in trainings)
    assert [run.id for run in content.runs] == [
        "lora-s1", "lora-s2", "lora-s3", "so-s1", "so-s2", "so-s3"
    ]  # fmt: skip
    assert [run.training.seed for run in content.runs] == [1, 2, 3, 1, 2, 3]
    assert content.shared.seeds == (1, 2, 3)
    assert content.references == ("zeroshot",)


def test_a_rate_that_follows_the_budget_does_so_here_too(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    methods = {"lora": MethodDefaults(6e-3, {}, -0.5), "so": MethodDefaults(1e-2)}
    preset = replace(choices.preset, methods=methods)
    shapes = sources.shapes(choices.source, preset.shared.targets)
    four = replace(choices, preset=preset, budget=4 * preset_budget(preset, shapes))
    content = plan(four, tmp_path / "home")[2]
    assert [run.training.lr for run in content.runs] == 3 * [3e-3] + 3 * [1e-2]


def test_zero_shot_is_there_whether_it_was_named_or_not(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    named = replace(choices, methods=("linear_probe", "lora"))
    assert plan(named, tmp_path / "home")[2].references == ("zeroshot", "linear_probe")


def test_every_run_reads_the_saved_pictures(choices: ClassesChoices, tmp_path: Path) -> None:
    _, runs, _ = plan(choices, tmp_path / "home")
    files = {picture.file for picture in choices.labelled.pictures}
    assert all({each.name for each in run.inputs} == {"data.json", *files} for run in runs)


def test_what_is_planned_can_be_read_back_from_json(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    spec, runs, content = plan(choices, tmp_path / "home")
    again = replace(spec, settings=json.loads(json.dumps(spec.settings)))
    assert read_plan(again) == read_classes_plan(again) == content
    prepare = tables.build(ClassPrepareSettings, runs[0].settings, "prepare")
    assert prepare.shared == content.shared
    for run, planned in zip(runs[1:], content.runs, strict=True):
        settings = tables.build(ClassTrainSettings, run.settings, "train")
        assert (settings.method, settings.training) == (planned.method, planned.training)
    with pytest.raises(UserError, match="not about one subject"):
        read_subject_plan(again)


def test_the_same_choices_are_the_same_plan_and_others_are_not(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    contents = [plan(one, home)[2] for one in (choices, choices, replace(choices, shots=1))]
    assert same(contents[0], contents[1])
    assert not same(contents[0], contents[2])


def test_every_method_gets_the_same_budget_and_none_exceeds_it(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    unit = lora_rank_one(shapes)
    _, _, content = plan(replace(choices, budget=3 * unit + 5), tmp_path / "home")
    for run in content.runs:
        assert 2.9 * unit < run.footprint.active <= 3 * unit + 5


def test_steps_follow_the_shots_within_the_limits_of_the_preset(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    training = replace(
        choices.preset.training, steps_per_shot=30, least_steps=40, most_steps=50, evaluations=4
    )
    preset = replace(choices.preset, training=training)
    for shots, steps in ((1, 40), (2, 50)):
        chosen = replace(choices, preset=preset, shots=shots)
        planned = plan(chosen, tmp_path / "home")[2].runs[0].training
        assert planned.steps == steps
        assert planned.sample_every == -(-steps // 4)
    chosen = replace(choices, preset=preset, steps=7)
    assert plan(chosen, tmp_path / "home")[2].runs[0].training.steps == 7


def test_what_the_preset_has_is_kept_beside_fewer_steps(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    training = replace(choices.preset.training, steps_per_shot=30, least_steps=1, most_steps=None)
    chosen = replace(choices, preset=replace(choices.preset, training=training), shots=3, steps=7)
    spec, _, content = plan(chosen, tmp_path / "home")
    assert {(run.training.steps, run.preset_steps) for run in content.runs} == {(7, 90)}
    older = json.loads(json.dumps(spec.settings))
    for run in older["runs"]:
        del run["preset_steps"]
    before = read_plan(replace(spec, settings=older))
    assert {run.preset_steps for run in before.runs} == {None}
    assert same(before, content)  # so that what was begun before is gone on with


def test_base_to_new_learns_the_first_half_and_names_the_other(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    shared = plan(replace(choices, base_to_new=True), tmp_path / "home")[2].shared
    assert shared.classes == choices.labelled.classes[:2]
    assert shared.new_classes == choices.labelled.classes[2:]
    assert shared.labels == (0, 1, 2)
    assert shared.prompts(new=True) == tuple(f"a {name}" for name in shared.new_classes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": ()}, "--methods is empty"),
        ({"methods": ("lorra",)}, "unknown method 'lorra'. Did you mean 'lora'?"),
        ({"methods": ("zero_shot",)}, "'zero_shot'. Did you mean 'zeroshot'?"),
        ({"methods": ("x",)}, ", zeroshot, linear_probe."),
        ({"methods": ("zeroshot", "zeroshot")}, "--methods names zeroshot twice"),
        ({"shots": 0}, "--shots is 0; use 1 or more"),
        ({"shots": 6}, "6 shots a class need 7 pictures of it"),
        ({"seeds": 0}, "--seeds is 0; use 1 to 100."),
        ({"seed": -1}, "--seed is -1; use 0 to"),
        ({"seed": 2**31 - 1}, "--seed is 2147483648; use 0 to"),
        ({"steps": 0}, "--steps is 0; use 1 or more."),
        ({"budget": 0}, "--budget is 0; use 1 or more trainable values"),
        ({"budget": 10}, "--budget 10 is too small for lora ("),
        ({"template": "a photo"}, "write one line with {} once where the class stands"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    choices: ClassesChoices, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    chosen = replace(choices, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError) as caught:
        plan(chosen, tmp_path / "home")
    assert words in str(caught.value)
    if "template" not in change:
        with pytest.raises(UserError):
            check(chosen)


def test_a_small_set_has_what_these_tests_say(choices: ClassesChoices) -> None:
    assert isinstance(choices.labelled, Labelled)
    assert choices.labelled.counts("pool") == (6, 6, 6)


@pytest.fixture
def on_vision(choices: ClassesChoices, monkeypatch: pytest.MonkeyPatch) -> ClassesChoices:
    """The same choices on a vision backbone of one block."""
    linears = {f"blocks.0.{path}": (8, 8) for path in ("attn.proj", "mlp.fc1", "mlp.fc2")}
    monkeypatch.setattr(vision_shapes, "outline", lambda _: Outline(linears, 160, "", 0))
    return replace(
        choices,
        source=sources.resolve("timm:test_vit/random", "fewshot"),
        preset=presets.preset("snell-8", "fewshot", "vision"),
        methods=("lora", "so"),
    )


def test_the_linear_probe_is_always_there_on_a_vision_backbone(
    on_vision: ClassesChoices, tmp_path: Path
) -> None:
    content = plan(on_vision, tmp_path / "home")[2]
    assert content.references == ("linear_probe",)
    assert content.backbone == "timm:test_vit/random"
    assert content.shared.view == on_vision.preset.shared.view
    assert read_plan(plan(on_vision, tmp_path / "home")[0]).backbone == content.backbone


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods": ("zeroshot", "lora")}, "reads no words, so there is no zero-shot"),
        ({"base_to_new": True}, "cannot name classes that it was not shown"),
        ({"template": "a {}"}, "reads no words. Leave --template out"),
    ],
)
def test_a_vision_backbone_reads_no_words(
    on_vision: ClassesChoices, change: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        check(replace(on_vision, **change))  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_file_of_another_architecture_is_refused(
    on_vision: ClassesChoices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.pth").touch()
    source = sources.resolve(f"timm:test_vit@{tmp_path / 'w.pth'}", "fewshot")
    monkeypatch.setattr(vision_source, "asked", lambda _, name, path: f"{path} is not of {name}.")
    with pytest.raises(UserError, match=r"w\.pth is not of test_vit\."):
        check(replace(on_vision, source=source))
    monkeypatch.setattr(vision_source, "asked", lambda *_: "")
    (tmp_path / "v.pth").touch()
    other = sources.resolve(f"timm:test_vit@{tmp_path / 'v.pth'}", "fewshot")
    check(replace(on_vision, source=other))


def test_what_is_of_vision_backbones_is_refused_on_a_clip(choices: ClassesChoices) -> None:
    preset = replace(choices.preset, shared=replace(choices.preset.shared, view=View(crop="whole")))
    with pytest.raises(UserError, match="view, cls_token and drop_path are of vision backbones"):
        check(replace(choices, preset=preset))


def splits_of(tmp_path: Path, title: str) -> Labelled:
    labelled, folder = small_set(
        tmp_path / "splits", splits=(("train", 10), ("val", 2), ("test", 3))
    )
    labelled = replace(labelled, title=title)
    labelled.save(folder, tmp_path / "home" / "data")
    return labelled


def test_epochs_are_passes_over_the_pictures_that_are_learned_from(
    on_vision: ClassesChoices, tmp_path: Path
) -> None:
    labelled = splits_of(tmp_path, "own")
    chosen = replace(on_vision, labelled=labelled, dataset_id=labelled.id, shots=None)
    content = plan(chosen, tmp_path / "home")[2]
    assert content.shared.shots is None
    first = content.runs[0].training
    assert (first.steps, first.warmup, first.lr_end) == (100, 0.1, 1e-5)  # 30 pictures a step
    assert plan(replace(chosen, shots=2), tmp_path / "home")[2].runs[0].training.steps == 100
    small = replace(chosen.preset, training=replace(chosen.preset.training, batch_size=4))
    chosen = replace(chosen, preset=small)
    assert plan(chosen, tmp_path / "home")[2].runs[0].training.steps == 800
    cut = plan(replace(chosen, steps=7), tmp_path / "home")[2].runs[0]
    assert (cut.training.steps, cut.preset_steps) == (7, 800)
    with pytest.raises(UserError, match="this recipe counts epochs"):
        small.training.steps(4)


def test_vtab_is_published_on_both_of_its_training_splits(
    choices: ClassesChoices, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for title, evaluate, learned in (
        ("vtab/dtd", "test", ("train", "val")),
        ("vtab/dtd", "val", ("pool", "train")),
        ("fgvc/cub", "test", ("pool", "train")),
    ):
        labelled = splits_of(tmp_path, title)
        chosen = replace(
            choices, labelled=labelled, dataset_id=labelled.id, shots=None,
            evaluate=evaluate,  # type: ignore[arg-type]
        )  # fmt: skip
        shared = plan(chosen, home)[2].shared
        assert (shared.learn_from, shared.evaluate) == (learned, evaluate)
