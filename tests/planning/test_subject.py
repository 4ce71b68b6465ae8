"""From choices to runs: sized, counted, or refused in words."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import planning, presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.errors import SpecError
from sparse_peft.files import sha256
from sparse_peft.planning import Choices, plan
from sparse_peft.tasks.dreambooth.recipe import Shared, TrainSettings
from tests.planned import choose

UNIT = 18_816  # LoRA rank 1 on the attention of the built-in backbone


@pytest.fixture
def choices(tmp_path: Path) -> Choices:
    return choose(tmp_path)


def test_one_prepare_run_and_a_training_for_each_method_that_waits_for_it(
    choices: Choices, tmp_path: Path
) -> None:
    spec, runs, content = plan(choices, tmp_path / "home")
    assert [run.kind for run in runs] == ["prepare", "train", "train", "train"]
    prepare, *trainings = runs
    assert prepare.id == content.prepare
    assert {run.comparison for run in runs} == {spec.id}
    assert all(run.needs == (prepare.id,) for run in trainings)
    assert [run.run for run in content.runs] == [run.id for run in trainings]
    assert [run.id for run in content.runs] == ["waveft", "lora", "so"]
    assert len({spec.id, *(run.id for run in runs)}) == 5


def test_the_prepare_run_reads_the_saved_pictures_and_nothing_else(
    choices: Choices, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    _, (prepare, *trainings), _ = plan(choices, home)
    assert {i.name for i in prepare.inputs} == {
        "data.json", *(picture.file for picture in choices.subject.pictures)
    }  # fmt: skip
    assert all(i.sha256 == sha256(home / i.path) for i in prepare.inputs)
    assert all(training.inputs == () for training in trainings)


def test_what_is_planned_can_be_read_back_from_json(choices: Choices, tmp_path: Path) -> None:
    spec, runs, content = plan(choices, tmp_path / "home")
    again = replace(spec, settings=json.loads(json.dumps(spec.settings)))
    assert planning.read_plan(again) == content
    tables.build(Shared, runs[0].settings, "prepare")
    for run, planned in zip(runs[1:], content.runs, strict=True):
        settings = tables.build(TrainSettings, run.settings, "train")
        assert (settings.method, settings.training) == (planned.method, planned.training)
        assert settings.shared == content.shared


def test_every_method_gets_the_same_budget_and_none_exceeds_it(
    choices: Choices, tmp_path: Path
) -> None:
    _, _, content = plan(replace(choices, budget=3 * UNIT + 7), tmp_path / "home")
    assert content.budget == 3 * UNIT + 7
    for run in content.runs:
        assert 2.9 * UNIT < run.footprint.active <= content.budget
        assert not run.over_budget
    assert {run.method: run.knob for run in content.runs}["lora"] == "rank 3"


def test_without_a_budget_the_preset_says_how_many_ranks(choices: Choices, tmp_path: Path) -> None:
    preset = replace(choices.preset, lora_ranks=0.5)
    chosen = replace(choices, preset=preset, methods=("so",))
    assert plan(chosen, tmp_path / "home")[2].budget == UNIT // 2


def test_training_seeds_are_whole_trainings_of_their_own(choices: Choices, tmp_path: Path) -> None:
    chosen = replace(choices, methods=("lora", "so"), seed=5, train_seeds=2)
    _, runs, content = plan(chosen, tmp_path / "home")
    assert [(run.id, run.training.seed) for run in content.runs] == [
        ("lora", 5), ("so", 5), ("lora-2", 1005), ("so-2", 1005)
    ]  # fmt: skip
    trained = [tables.build(TrainSettings, run.settings, "train") for run in runs[1:]]
    assert [settings.shared.seed for settings in trained] == [5, 5, 1005, 1005]
    assert {settings.shared.seeds for settings in trained} == {(0, 1, 2)}  # evaluated alike


def test_steps_on_the_command_line_win_over_the_preset(choices: Choices, tmp_path: Path) -> None:
    _, _, content = plan(replace(choices, steps=17), tmp_path / "home")
    assert {run.training.steps for run in content.runs} == {17}


def test_what_the_preset_has_is_kept_beside_the_steps(choices: Choices, tmp_path: Path) -> None:
    spec, _, content = plan(replace(choices, steps=1), tmp_path / "home")
    assert {(run.training.steps, run.preset_steps) for run in content.runs} == {(1, 2)}
    older = json.loads(json.dumps(spec.settings))
    for run in older["runs"]:
        del run["preset_steps"]
    before = planning.read_plan(replace(spec, settings=older))
    assert {run.preset_steps for run in before.runs} == {None}
    assert planning.same(before, content)  # so that what was begun before is gone on with
    assert not planning.same(plan(choices, tmp_path / "home")[2], content)


def test_the_scale_has_49_stops_a_quarter_of_a_doubling_apart() -> None:
    shapes = sources.shapes(sources.resolve("builtin"), "attention")
    scale = planning.budget_scale(shapes)
    assert len(scale) == 49
    assert scale[24] == planning.lora_rank_one(shapes) == UNIT
    assert (scale[0], scale[-1]) == (UNIT // 64, UNIT * 64)
    assert all(1.18 < b / a < 1.20 for a, b in itertools.pairwise(scale))


def test_a_method_that_cannot_go_so_low_may_be_taken_over_budget(
    choices: Choices, tmp_path: Path
) -> None:
    chosen = replace(choices, budget=100, allow_over=True)
    _, runs, content = plan(chosen, tmp_path / "home")
    assert {run.method: run.over_budget for run in content.runs} == {
        "waveft": False, "lora": True, "so": False
    }  # fmt: skip
    active = {run.method: run.footprint.active for run in content.runs}
    assert active["lora"] == UNIT
    assert 56 <= active["so"] <= 100
    settings = tables.build(TrainSettings, runs[2].settings, "train")
    assert (settings.over_budget, settings.budget) == (True, 100)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": ()}, "--methods is empty; name at least one, such as waveft,lora,so."),
        ({"methods": ("lora", "so", "lora")}, "--methods names lora twice; name each once."),
        ({"methods": ("wavft",)}, "unknown method 'wavft'. Did you mean 'waveft'?"),
        ({"train_seeds": 0}, "--train-seeds is 0; use 1 to 100."),
        ({"train_seeds": 101}, "--train-seeds is 101; use 1 to 100."),
        ({"steps": 0}, "--steps is 0; use 1 or more."),
        ({"seed": -1}, "--seed is -1; use 0 to 2147483647."),
        ({"seed": 2**31}, "--seed is 2147483648; use 0 to 2147483647."),
        ({"budget": 0}, "--budget is 0; use 1 or more trainable values, such as 18816"),
        ({"budget": 10**12}, "use at most 1622016, such as 18816 (LoRA rank 1)."),
        ({"budget": 100}, "--budget 100 is too small for lora (18816 at least). Use --budget"),
        ({"budget": 9}, "for waveft (56 at least), lora (18816 at least), so (56 at least)."),
    ],
)
def test_what_cannot_be_planned_is_refused_in_words(
    choices: Choices, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        planning.check(replace(choices, **changes))  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_an_unknown_setting_of_a_method_names_the_preset_and_the_place(choices: Choices) -> None:
    methods = {"so": presets.MethodDefaults(0.1, {"densty": 0.1})}
    chosen = replace(choices, preset=replace(choices.preset, methods=methods), methods=("so",))
    words = r"preset tiny\.toml \[methods\.so\.fields\]: unknown setting 'densty'\. Did you mean"
    with pytest.raises(SpecError, match=words):
        planning.check(chosen)
