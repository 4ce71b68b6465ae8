"""Each click by its words: what it does to the store, what opens, and what is said."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs import client
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.ui.clicks.doing import FORM
from sparse_peft.ui.comparisons import naming, shipped
from sparse_peft.ui.desk.desk import Desk
from tests.ui.own_desk import act, end_all, own_desk, plan_of, started, states


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


def wishes(desk: Desk, comparison: str) -> list[str | None]:
    with Store(desk.home) as store:
        rows = store.runs(comparison)
    return [RunDirectory.of(desk.home, row.id).cancel_requested() for row in rows]


def test_start_opens_the_comparison_and_says_what_it_waits_for(desk: Desk) -> None:
    answer = act(desk, "start")
    assert (answer.tab, answer.said) == ("compare", "Waiting: it is next.")
    again = act(desk, "start")
    assert (again.open, again.said) == (answer.open, "Waiting: it is next.")
    assert act(desk, "start", hurry=True).errors["start"].startswith("page: unknown setting")


def test_a_mistake_of_start_leads_to_its_field(desk: Desk) -> None:
    desk.change(noun="")
    answer = act(desk, "start")
    assert answer.errors == {"noun": "Say what it is first, in a word such as dog."}
    assert (answer.tab, answer.open) == ("pictures", None)
    assert set(answer.show) == set(FORM)


def test_a_runner_that_cannot_start_is_told_and_the_comparison_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RunError("The runner ended with exit status 1: nothing.")

    with monkeypatch.context() as patch:
        patch.setattr(client, "ensure_runner", broken)
        assert "The runner ended" in act(desk, "start").errors["start"]
    answer = act(desk, "start")  # the same one: the first press was not lost
    with Store(desk.home) as store:
        assert store.comparisons() == [answer.open]


def test_stopping_takes_back_what_waits_and_tells_what_works(desk: Desk) -> None:
    comparison = started(desk)
    with Store(desk.home) as store:
        store.claim("cpu-0")
    answer = act(desk, "stop", comparison=comparison)
    assert answer.said == "Stopping. What it learned so far is kept."
    assert states(desk, comparison) == ["running"] + ["cancelled"] * 3
    assert wishes(desk, comparison) == ["keep"] * 4


def test_stopping_one_run_leaves_the_others(desk: Desk) -> None:
    comparison = started(desk)
    run = plan_of(desk, comparison).runs[1].run
    answer = act(desk, "stop", run=run, keep=False)
    assert answer.said == "Stopping. What it learned is discarded."
    assert states(desk, comparison) == ["queued", "queued", "cancelled", "queued"]
    assert "there is nothing to cancel" in act(desk, "stop", run=run).errors["run"]
    assert "was discarded and cannot be resumed" in act(desk, "resume", run=run).errors["run"]


def test_what_was_interrupted_stays_so_unless_it_is_discarded(desk: Desk) -> None:
    comparison = started(desk)
    with Store(desk.home) as store:
        store.end(plan_of(desk, comparison).prepare, "interrupted")
    act(replace(desk, open=comparison), "stop")
    assert states(desk, comparison) == ["interrupted"] + ["cancelled"] * 3
    act(replace(desk, open=comparison), "stop", keep=False)
    assert states(desk, comparison) == ["cancelled"] * 4


def test_resuming_puts_back_what_stopped_but_not_what_was_discarded(desk: Desk) -> None:
    comparison = started(desk)
    plan = plan_of(desk, comparison)
    with Store(desk.home) as store:
        store.end(plan.prepare, "finished")
        store.end(plan.runs[0].run, "interrupted")
        store.end(plan.runs[2].run, "failed", "It broke.")
    act(desk, "stop", run=plan.runs[1].run, keep=False)
    answer = act(desk, "resume", comparison=comparison)
    assert answer.said == "It is at work."
    assert states(desk, comparison) == ["finished", "queued", "cancelled", "queued"]
    assert act(desk, "resume", comparison=comparison).errors == {
        "run": "There is nothing to resume."
    }


def test_resuming_all_after_the_shared_run_fell_brings_each_back_once(desk: Desk) -> None:
    comparison = started(desk)
    with Store(desk.home) as store:
        store.end(plan_of(desk, comparison).prepare, "failed", "It broke.")
    assert act(desk, "resume", comparison=comparison).said == "Waiting: it is next."
    assert states(desk, comparison) == ["queued"] * 4


def test_halving_trains_the_method_again_beside_what_is_open(desk: Desk) -> None:
    comparison = started(desk)
    plan = plan_of(desk, comparison)
    with Store(desk.home) as store:
        store.end(plan.prepare, "finished")
        store.end(plan.runs[1].run, "failed", "At step 37 the loss is not a finite number.")
    answer = act(desk, "halve", run=plan.runs[1].run)
    assert answer.open is not None
    before, after = answer.open.split("+")
    assert before == comparison
    assert [(run.id, run.training.lr) for run in plan_of(desk, after).runs] == [("waveft", 0.005)]
    assert (answer.tab, answer.said) == ("compare", "Waiting: 2 runs before this one.")
    assert act(desk, "halve", run=plan.runs[1].run).open == answer.open  # pressed twice

    other = started(desk, seed=8)
    beside = replace(desk, open=f"{other}+{comparison}")
    assert act(beside, "halve", run=plan.runs[1].run).open == f"{other}+{comparison}+{after}"


def test_opening_leads_to_the_tab_and_the_example_is_everyones(desk: Desk) -> None:
    comparison = started(desk)
    answer = act(desk, "open", comparison=comparison)
    assert (answer.tab, answer.open) == ("compare", comparison)
    assert act(desk, "open", comparison="example").open == "example"
    assert act(desk, "open", comparison=shipped.FITTING).open == "example"
    twice = f"{comparison}+{comparison}"
    assert act(desk, "open", comparison=twice).open == comparison


def test_renaming_and_taking_the_name_back(desk: Desk) -> None:
    comparison = started(desk)
    assert act(desk, "rename", comparison=comparison, name=" Bello ").errors == {}
    assert naming.name_of(desk.home, comparison) == "Bello"
    assert (
        "use 80 at most" in act(desk, "rename", comparison=comparison, name="x" * 90).errors["name"]
    )
    act(replace(desk, open=comparison), "rename", name="")
    assert naming.name_of(desk.home, comparison) == "Cat, 18,816 values"


def test_again_and_more_seeds_lead_to_the_form(desk: Desk) -> None:
    comparison = started(desk, steps=9)
    desk.change(steps=1, noun="dog", pictures=())
    answer = act(desk, "again", comparison=comparison)
    assert (answer.tab, set(answer.show), answer.open) == ("methods", set(FORM), None)
    assert (desk.draft.steps, desk.draft.noun, desk.draft.train_seeds) == (9, "cat", 1)
    assert len(desk.draft.pictures) == 3
    assert act(desk, "more_seeds", comparison=comparison).tab == "methods"
    assert desk.draft.train_seeds == 3
    assert act(desk, "start").open != comparison


def finish_with_adapters(desk: Desk, comparison: str) -> None:
    plan = plan_of(desk, comparison)
    shared = RunDirectory.of(desk.home, plan.prepare).path / "shared.safetensors"
    shared.write_bytes(b"shared")
    for run in plan.runs[:2]:
        directory = RunDirectory.of(desk.home, run.run)
        (directory.adapter / "unet").mkdir(parents=True)
        (directory.adapter / "unet" / "values.bin").write_bytes(run.id.encode())
        directory.write_report({})
    end_all(desk, comparison)


def test_a_prompt_of_ones_own_is_drawn_by_what_was_trained(desk: Desk) -> None:
    comparison = started(desk)
    finish_with_adapters(desk, comparison)
    answer = act(desk, "draw", comparison=comparison, prompt="your cat on a boat", seed=4)
    assert (answer.errors, answer.said) == ({}, "Waiting: your prompt will be drawn.")
    with Store(desk.home) as store:
        (row,) = [row for row in store.runs(comparison) if row.kind == "generate"]
    spec = RunDirectory.of(desk.home, row.id).spec
    assert (spec.owner, spec.comparison) == (desk.owner, comparison)
    assert (spec.settings["prompt"], spec.settings["seeds"]) == ("a {subject} on a boat", [4])
    assert spec.settings["adapters"] == ["lora", "waveft"]
    assert {item.name for item in spec.inputs} == {
        "shared.safetensors", "lora/unet/values.bin", "waveft/unet/values.bin"
    }  # fmt: skip


def test_the_same_prompt_is_drawn_once_until_it_fails(desk: Desk) -> None:
    comparison = started(desk)
    finish_with_adapters(desk, comparison)

    def drawings() -> list[str]:
        with Store(desk.home) as store:
            return [row.id for row in store.runs(comparison) if row.kind == "generate"]

    beside = replace(desk, open=comparison)
    act(beside, "draw", prompt="your cat")
    act(beside, "draw", prompt="a {subject}")
    assert len(drawings()) == 1
    act(beside, "draw", prompt="your cat", seed=1)
    assert len(drawings()) == 2
    with Store(desk.home) as store:
        store.end(drawings()[0], "failed", "It broke.")
    act(beside, "draw", prompt="your cat")
    assert len(drawings()) == 3
    act(beside, "delete")
    with Store(desk.home) as store:
        assert store.runs() == []


@pytest.mark.parametrize(
    ("prompt", "seed", "words"),
    [
        ("", 0, "Write one prompt on one line, such as: your cat on a boat"),
        ("your cat\nyour cat at sea", 0, "Write one prompt on one line"),
        ("a {dog}", 0, "only {subject} is known"),
        ("x" * 301, 0, "at most 300 are allowed"),
        ("your cat", -1, "seed is -1"),
        ("your cat", 0, "No method has finished yet."),
    ],
)
def test_a_prompt_that_cannot_be_drawn_says_why(
    desk: Desk, prompt: str, seed: int, words: str
) -> None:
    comparison = started(desk)
    answer = act(desk, "draw", comparison=comparison, prompt=prompt, seed=seed)
    assert words in answer.errors["prompt"]


def test_deleting_what_is_open_closes_it(desk: Desk) -> None:
    first, second = started(desk), started(desk, seed=1)
    answer = act(replace(desk, open=f"{first}+{second}"), "delete", comparison=first)
    assert (answer.open, answer.said) == ("", "Deleted.")
    assert act(replace(desk, open="example"), "delete", comparison=second).open is None
    with Store(desk.home) as store:
        assert store.comparisons() == []


def test_joining_opens_comparisons_side_by_side(desk: Desk) -> None:
    first, second = started(desk), started(desk, stop=30)
    answer = act(desk, "join", comparisons=[first, second])
    assert (answer.tab, answer.open) == ("compare", f"{first}+{second}")
    for one in ([], [first], [first, first]):
        assert act(desk, "join", comparisons=one).errors["comparison"]
    other = started(desk, prompts=("a {subject} in space",))
    said = act(desk, "join", comparisons=[first, other]).errors["comparison"]
    assert said.startswith("These two comparisons differ in their prompts, so their pictures")


def test_forgetting_all_ends_with_an_empty_page(desk: Desk) -> None:
    started(desk)
    answer = act(desk, "forget_all")
    assert (answer.open, answer.tab) == ("", "pictures")
    assert desk.draft.pictures == ()


def test_no_click_starts_a_runner_where_one_is_at_work(desk: Desk) -> None:
    assert Lock.held_elsewhere(runner_lock_path(desk.home))
    act(desk, "start")
    assert not (desk.home / "runner.log").exists()
