"""What became of a comparison, and the command that repeats it."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.commands import parser
from sparse_peft.data.prompts import PROMPTS
from sparse_peft.data.subject import Subject
from sparse_peft.errors import RunError
from sparse_peft.outcome import command, outcome
from sparse_peft.planning import plan
from sparse_peft.runs.store import Store
from tests.planned import choose, submit


def test_what_waits_is_shown_as_it_was_planned(tmp_path: Path) -> None:
    spec, _, content = submit(tmp_path)
    found = outcome(tmp_path / "home", spec.id)
    assert (found.id, found.noun, found.token, found.budget) == (spec.id, "cat", "sks", 18_816)
    assert found.prompts == ("a sks cat in the snow",)
    assert found.prepare is None
    assert [run.state for run in found.runs] == ["queued"] * 3
    assert [run.knob for run in found.runs] == [run.knob for run in content.runs]
    assert [run.error for run in found.runs] == [None] * 3
    assert all(path.is_file() for path, _ in found.pictures)


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
    assert found.prepare is None
    assert {(run.state, run.error) for run in found.runs} == {("queued", "Its worker is gone.")}


def test_an_unknown_comparison_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no comparison 'x' in"):
        outcome(tmp_path, "x")


def test_the_command_gives_the_same_plan_again(tmp_path: Path) -> None:
    chosen = choose(tmp_path, methods=("lora", "so"), steps=9, seed=3, train_seeds=2)
    _, _, content = plan(chosen, tmp_path / "home")
    words = shlex.split(command(content, chosen.subject, ("lora", "so")))
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
    assert "FILE" not in command(content, chosen.subject, ("so",))
    pictures = (replace(chosen.subject.pictures[0], caption="on grass"),)
    captioned = Subject(chosen.subject.noun, chosen.subject.token, pictures)
    assert "--captions FILE" in command(content, captioned, ("so",))
