"""What became of a comparison, and the command that repeats it."""

import shlex
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from sparse_peft import compare, presets
from sparse_peft.commands import parser
from sparse_peft.comparison import ComparisonOutcome
from sparse_peft.data.subject import Subject
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.errors import RunError, SpecError
from sparse_peft.outcome import command, joined, outcome
from sparse_peft.planning import ComparisonPlan, plan
from sparse_peft.presets import MethodDefaults
from sparse_peft.report.columns import columns
from sparse_peft.runs.spec import RunSpec, new_id
from sparse_peft.runs.store import Store
from tests.fake_outcome import Maker
from tests.planned import choose, submit

RECIPE = ("--preset", "tiny.toml")


def test_what_waits_is_shown_as_it_was_planned(tmp_path: Path) -> None:
    spec, _, content = submit(tmp_path)
    found = outcome(tmp_path / "home", spec.id)
    assert (found.id, found.noun, found.token, found.budget) == (spec.id, "cat", "sks", 18_816)
    assert found.prompts == ("a sks cat in the snow",)
    assert found.prepare == tmp_path / "home" / "runs" / content.prepare
    assert [run.state for run in found.runs] == ["queued"] * 3
    assert found.runs[0].settings["sample_every"] == 1
    assert [run.knob for run in found.runs] == [run.knob for run in content.runs]
    assert [run.error for run in found.runs] == [None] * 3
    assert all(path.is_file() for path, _ in found.pictures)


def test_what_the_preset_has_goes_into_the_file(tmp_path: Path) -> None:
    spec, _, _ = submit(tmp_path, steps=1)
    value = compare.assemble(outcome(tmp_path / "home", spec.id))
    told = {(run["settings"]["steps"], run["preset_steps"]) for run in value["runs"]}
    assert told == {(1, 2)}


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_what_ended_says_why(tmp_path: Path, state: str) -> None:
    home = tmp_path / "home"
    spec, _, content = submit(tmp_path)
    told = {"error": "It broke."} if state == "failed" else {"note": "It broke."}
    with Store(home) as store:
        store.end(content.prepare, "finished")
        store.end(content.runs[0].run, state, **told)  # type: ignore[arg-type]
        store.end(content.runs[1].run, "finished", note="It took long.")
    found = outcome(home, spec.id)
    assert found.prepare == home / "runs" / content.prepare
    assert (found.runs[0].state, found.runs[0].error) == (state, "It broke.")
    assert (found.runs[1].state, found.runs[1].error) == ("finished", None)
    assert (found.runs[2].state, found.runs[2].error) == ("queued", None)


def test_what_waits_for_a_prepare_run_that_died_says_so(tmp_path: Path) -> None:
    spec, _, content = submit(tmp_path)
    with Store(tmp_path / "home") as store:
        store.end(content.prepare, "interrupted", note="Its worker is gone.")
    found = outcome(tmp_path / "home", spec.id)
    assert {(run.state, run.error) for run in found.runs} == {("queued", "Its worker is gone.")}


def test_an_unknown_comparison_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no comparison 'x' in"):
        outcome(tmp_path, "x")


def test_the_command_gives_the_same_plan_again(tmp_path: Path) -> None:
    chosen = choose(tmp_path, methods=("lora", "so"), steps=9, seed=3, train_seeds=2)
    _, _, content = plan(chosen, tmp_path / "home")
    words = shlex.split(command(content, chosen.subject, content.runs, RECIPE))
    assert words[:4] == ["python", "-m", "sparse_peft", "compare"]
    asked = parser.build(tmp_path).parse_args(words[3:])
    assert (asked.noun, asked.token, asked.backbone) == ("cat", "sks", "builtin")
    assert (asked.methods, asked.budget, asked.preset) == ("lora,so", 18_816, "tiny.toml")
    assert (asked.steps, asked.seed, asked.train_seeds) == (9, 3, 2)
    assert asked.prompts == Path("FILE")
    assert asked.captions is None


def test_the_command_names_files_only_where_they_were_used(tmp_path: Path) -> None:
    chosen = choose(tmp_path, prompts=PROMPTS)
    _, _, content = plan(chosen, tmp_path / "home")
    assert "FILE" not in command(content, chosen.subject, content.runs, RECIPE)
    pictures = (replace(chosen.subject.pictures[0], caption="on grass"),)
    captioned = Subject(chosen.subject.noun, chosen.subject.token, pictures)
    assert "--captions FILE" in command(content, captioned, content.runs, RECIPE)


def test_what_was_changed_of_a_preset_is_on_the_command_line(tmp_path: Path) -> None:
    preset = presets.preset("quick", "dreambooth", "builtin")
    fields: dict[str, Any] = {"alpha": 2.5, "rslora": True}
    methods = preset.methods | {"lora": MethodDefaults(5e-3, fields), "so": MethodDefaults(1e-2)}
    changed = replace(preset, name="quick, changed", methods=methods)
    spec, _, _ = submit(
        tmp_path, preset=changed, methods=("waveft", "lora", "so"), budget=500, allow_over=True
    )
    found = outcome(tmp_path / "home", spec.id)
    settings = ["--set", "lora.lr=0.005", "--set", "lora.alpha=2.5", "--set", "lora.rslora=true"]
    recipe = ["--preset", "quick", *settings, "--set", "so.lr=0.01"]
    assert f"--budget 500 --allow-over-budget {shlex.join(recipe)} --steps" in found.command
    waveft, lora, so = (run.command for run in found.runs)
    assert "--methods waveft --budget 500 --preset quick --steps" in waveft
    assert f"--allow-over-budget --preset quick {shlex.join(settings)} --steps" in lora
    assert "--budget 500 --preset quick --set so.lr=0.01 --steps" in so


# Side by side ------------------------------------------------------------------------------------


def side_by_side(root: Path, *changes: dict[str, object]) -> tuple[list[str], list[ComparisonPlan]]:
    """Comparisons of one subject that differ in what is given for each."""
    first = choose(root, methods=("waveft", "lora"))
    home = root / "home"
    copytree(home / "data" / first.subject_id, home / "data" / "other")
    ids, plans = [], []
    for change in changes:
        spec, runs, content = plan(replace(first, **change), home)  # type: ignore[arg-type]
        with Store(home) as store:
            store.submit(spec, runs)
        ids.append(spec.id)
        plans.append(content)
    return ids, plans


def columns_of(found: ComparisonOutcome) -> list[tuple[str, str, str]]:
    return [(run.id, run.method, run.label) for run in found.runs]


def test_runs_of_two_budgets_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    changes = {"budget": 4 * 18_816, "methods": ("lora", "so"), "train_seeds": 2}
    ids, plans = side_by_side(tmp_path, {}, changes)
    found = joined(tmp_path / "home", ids)
    assert (found.id, found.budget) == ("+".join(ids), None)
    assert columns_of(found) == [
        ("waveft", "waveft", "WaveFT"),
        ("lora", "lora", "LoRA rank 1"),
        ("lora-rank-4", "lora-rank-4", "LoRA rank 4"),
        ("so", "so", "SO"),
        ("lora-rank-4-2", "lora-rank-4", "LoRA rank 4"),
        ("so-2", "so", "SO"),
    ]
    assert [run.run for run in found.runs] == [run.run for one in plans for run in one.runs]
    assert len(found.command.splitlines()) == 2


def test_where_the_size_is_the_same_what_differs_tells_them_apart(tmp_path: Path) -> None:
    preset = choose(tmp_path, methods=("lora",)).preset
    (tmp_path / "more").mkdir()
    halved = replace(preset, methods=preset.methods | {"lora": MethodDefaults(5e-3)})
    only = {"methods": ("lora",)}
    ids, _ = side_by_side(
        tmp_path / "more", only, only | {"preset": halved}, only | {"steps": 9}, only | {"steps": 9}
    )
    home = tmp_path / "more" / "home"

    def labels(*places: int) -> list[str]:
        return [run.label for run in joined(home, [ids[place] for place in places]).runs]

    assert labels(0, 1) == ["LoRA lr 0.01", "LoRA lr 0.005"]
    assert labels(0, 2) == ["LoRA 2 steps", "LoRA 9 steps"]
    assert [run.preset_steps for run in joined(home, [ids[0], ids[2]]).runs] == [2, 2]
    assert labels(0, 1, 2) == [
        "LoRA lr 0.01, 2 steps",
        "LoRA lr 0.005, 2 steps",
        "LoRA lr 0.01, 9 steps",
    ]
    assert labels(2, 3) == ["LoRA (copy 1)", "LoRA (copy 2)"]


def test_no_two_runs_have_one_path_even_where_nothing_differs(tmp_path: Path) -> None:
    twice = {"methods": ("lora",), "train_seeds": 2}
    ids, _ = side_by_side(tmp_path, twice, twice)
    names = [run.id for run in joined(tmp_path / "home", ids).runs]
    assert names == ["lora", "lora-2", "lora-copy-2", "lora-copy-2-2"]


def test_another_subject_or_other_prompts_cannot_stand_beside(tmp_path: Path) -> None:
    other: list[dict[str, object]] = [{"prompts": ("a {subject} at sea",)}, {"subject_id": "other"}]
    ids, _ = side_by_side(tmp_path, {}, *other)
    with pytest.raises(SpecError, match="differ in their prompts, so"):
        joined(tmp_path / "home", ids[:2])
    with pytest.raises(SpecError, match="differ in their pictures of the subject, so"):
        joined(tmp_path / "home", [ids[0], ids[2]])


def test_all_that_differs_is_named_at_once(tmp_path: Path) -> None:
    preset = choose(tmp_path).preset
    (tmp_path / "root").mkdir()
    shared = replace(preset.shared, seeds=(5,), resolution=32, judge=None)
    ids, _ = side_by_side(tmp_path / "root", {}, {"preset": replace(preset, shared=shared)})
    words = "differ in their seeds of the test pictures, size of the pictures, judge, so"
    with pytest.raises(SpecError, match=words):
        joined(tmp_path / "root" / "home", ids)
    with pytest.raises(RunError, match="There is no comparison 'x'"):
        joined(tmp_path / "root" / "home", [ids[0], "x"])


def test_what_is_joined_is_measured_beside_one_base_and_drawn_as_one(tmp_path: Path) -> None:
    """The first comparison's shared run has failed, so the second's base is everyone's."""
    ids, plans = side_by_side(
        tmp_path, {"methods": ("lora",)}, {"methods": ("lora",), "budget": 4 * 18_816}
    )
    home, maker = tmp_path / "home", Maker(tmp_path)
    made = {plans[1].prepare: maker.prepare()}
    made |= {plans[0].runs[0].run: maker.train("lora").folder}
    made |= {plans[1].runs[0].run: maker.train("lora", "other", knob="rank 4").folder}
    with Store(home) as store:
        for run, folder in made.items():
            copytree(folder, home / "runs" / run, dirs_exist_ok=True)
            store.end(run, "finished")
    found = joined(home, ids)
    assert found.prepare == home / "runs" / plans[1].prepare
    value = compare.write(tmp_path / "out", found)
    assert [run["id"] for run in value["runs"]] == ["lora", "lora-rank-4"]
    assert value["reference"] == "lora"
    against = {(pair["a"], pair["b"]) for pair in value["pairs"]}
    assert {("lora-rank-4", "lora"), ("lora", "lora-rank-4")} <= against
    looks = [column.look for column in columns(value)]
    assert [look.family for look in looks] == ["base", "lora", "lora"]
    assert len({look.mark for look in looks}) == 3
    for run in value["runs"]:
        assert (tmp_path / "out" / run["samples"][0]["path"]).is_file()
        assert (tmp_path / "out" / run["adapter"] / "unet").is_dir()
    assert "LoRA rank 4" in (tmp_path / "out" / "index.html").read_text()


def test_prompts_that_were_drawn_later_belong_to_it_once_they_are_finished(tmp_path: Path) -> None:
    home = tmp_path / "home"
    spec, _, _ = submit(tmp_path)
    runs = [RunSpec(new_id(), "generate", "local", spec.id, {}, ()) for _ in range(2)]
    with Store(home) as store:
        store.submit(None, runs)
        store.end(runs[1].id, "finished")
    found = outcome(home, spec.id)
    assert found.drawn == {runs[1].id: home / "runs" / runs[1].id}
    sample = f"drawn/{runs[1].id}/samples/lora/p00-s7.png"
    assert found.place(sample) == home / "runs" / runs[1].id / "samples/lora/p00-s7.png"
    assert [run.method for run in found.runs] == ["waveft", "lora", "so"]
