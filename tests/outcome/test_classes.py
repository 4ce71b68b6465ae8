"""What became of a few-shot comparison, read from its plan, the store and the disk."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import compare
from sparse_peft.__main__ import main
from sparse_peft.comparison import ClassesOutcome
from sparse_peft.errors import SpecError
from sparse_peft.outcome import any_outcome, outcome
from sparse_peft.planning.classes import plan
from sparse_peft.presets import MethodDefaults
from sparse_peft.runs.store import Store
from tests.planning.test_classes import choose


@pytest.fixture
def submitted(tmp_path: Path) -> tuple[Path, str]:
    """A home with one comparison in its queue, and the comparison's id."""
    home = tmp_path / "home"
    spec, runs, _ = plan(choose(tmp_path), home)
    with Store(home) as store:
        store.submit(spec, runs)
    return home, spec.id


def found(home: Path, comparison: str) -> ClassesOutcome:
    value = any_outcome(home, comparison)
    assert isinstance(value, ClassesOutcome)
    return value


def test_a_waiting_comparison_says_what_was_asked_for(submitted: tuple[Path, str]) -> None:
    value = found(*submitted)
    assert (value.task, value.classes, value.shots) == ("fewshot", ("apple", "boat", "cat"), 2)
    assert value.seeds == (1, 2, 3)
    assert value.references == ("zeroshot",)
    assert not value.prepared
    assert {run.state for run in value.runs} == {"queued"}
    assert [run.id for run in value.runs][:2] == ["lora-s1", "lora-s2"]
    assert len(value.pictures) == 18
    assert all(path.is_file() for path in value.pictures.values())


def test_what_the_preset_has_goes_into_the_file(tmp_path: Path) -> None:
    chosen = replace(choose(tmp_path), steps=1, methods=("lora",))
    usual = chosen.preset.training.steps(2)
    spec, runs, _ = plan(chosen, tmp_path / "home")
    with Store(tmp_path / "home") as store:
        store.submit(spec, runs)
    zero, lora = compare.assemble(found(tmp_path / "home", spec.id))["runs"]
    assert {(run["settings"]["steps"], run["preset_steps"]) for run in lora["runs"]} == {(1, usual)}
    assert {run["preset_steps"] for run in zero["runs"]} == {None}


def test_the_one_run_that_all_need_gives_its_reason(submitted: tuple[Path, str]) -> None:
    home, comparison = submitted
    with Store(home) as store:
        prepare = store.runs(comparison)[0]
        store.end(prepare.id, "failed", error="It broke.")
    value = found(home, comparison)
    assert (value.prepare_state, value.prepare_error) == ("failed", "It broke.")
    assert "It broke." in {run.error for run in value.runs} or all(r.error for r in value.runs)


def test_paths_of_the_comparison_lead_to_files(submitted: tuple[Path, str]) -> None:
    value = found(*submitted)
    assert value.place("adapters/lora-s2") == value.runs[1].folder / "adapter"
    assert value.place("changes/lora-s2.png") == value.runs[1].folder / "change.png"
    assert value.place("classifiers/zeroshot-s1") == value.prepare / "classifiers/zeroshot-s1"
    assert value.place("pictures/3.png") == value.pictures[3]
    assert value.content("pictures/3.png").startswith(b"\x89PNG")
    with pytest.raises(KeyError):
        value.place("adapters/none-s1")


def test_the_command_line_repeats_the_comparison(
    submitted: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(found(*submitted).command)
    assert words[:4] == ["python", "-m", "sparse_peft", "compare"]
    assert words[words.index("--methods") + 1] == "zeroshot,lora,so"
    assert words[words.index("--seeds") + 1] == "3"
    words[words.index("--pictures") + 1] = str(tmp_path / "nowhere")
    assert main([*words[3:-1], str(tmp_path / "out"), "--home", str(tmp_path / "home2")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err  # so all else was understood


def test_what_was_changed_of_a_preset_is_on_the_command_line(tmp_path: Path) -> None:
    chosen, home = choose(tmp_path), tmp_path / "home"
    fields = {"dropout": 0.1, "alpha": None}
    methods = chosen.preset.methods | {"lora": MethodDefaults(1e-3, fields)}
    preset = replace(chosen.preset, name="quick, changed", methods=methods)
    spec, runs, _ = plan(replace(chosen, preset=preset, budget=200, allow_over=True), home)
    with Store(home) as store:
        store.submit(spec, runs)
    value = found(home, spec.id)
    changed = "--allow-over-budget --preset quick --set lora.lr=0.001 --set lora.dropout=0.1"
    assert f"--methods zeroshot,lora,so --budget 200 {changed} --steps" in value.command
    assert f"--methods lora --budget 200 {changed} --steps" in value.runs[0].command
    assert "--methods so --budget 200 --preset quick --steps" in value.runs[-1].command


def test_a_few_shot_comparison_is_no_subject(submitted: tuple[Path, str]) -> None:
    with pytest.raises(SpecError, match="not about one subject"):
        outcome(*submitted)


def test_a_run_repeats_on_its_own_draw_alone(submitted: tuple[Path, str]) -> None:
    second = found(*submitted).runs[1]
    words = shlex.split(second.command)
    assert words[words.index("--seed") + 1] == "2"
    assert words[words.index("--seeds") + 1] == "1"


def test_what_all_trainings_share_is_said(submitted: tuple[Path, str]) -> None:
    assert found(*submitted).recipe == {
        "targets": "attention+mlp:text", "augmentation": "crop+flip", "smallest_crop": 0.5,
        "scale": None, "precision": "fp32", "learn_from": ["pool", "train"], "evaluate": "test",
    }  # fmt: skip
