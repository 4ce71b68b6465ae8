"""Once more: what was asked for is on the form again, or mended in one place."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import tables
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.errors import RunError
from sparse_peft.planning import same
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks.dreambooth.recipe import TrainSettings
from sparse_peft.ui.clicks import repeating, starting
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft
from tests.ui.own_desk import end_all, own_desk, plan_of, started


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


CHANGES: list[dict[str, Any]] = [
    {},
    {"stop": 12, "over": ("lora",), "methods": ("so", "lora")},
    {"steps": 7, "seed": 5, "train_seeds": 2, "prompts": ()},
    {"lr": {"waveft": 0.5}, "fields": {"waveft": {"scaling": 10.0}, "lora": {"alpha": 2.0}}},
    {"fields": {"waveft": {"proportional": True}}, "stop": 33},
    {"token": "qjx", "noun": "small cat"},
]


@pytest.mark.parametrize("changes", CHANGES, ids=[str(list(one)) for one in CHANGES])
def test_what_is_laid_out_asks_for_the_same_again(desk: Desk, changes: dict[str, Any]) -> None:
    first, *rest = desk.draft.pictures
    desk.change(pictures=(replace(first, caption="on a sofa", crop=(1, 1, 90, 90)), *rest))
    comparison = started(desk, **changes)
    end_all(desk, comparison)
    asked = desk.draft
    for path in desk.pictures.iterdir():
        path.unlink()
    desk.change(**vars(Draft(noun="something else", lr={"lora": 9.0}, seed=77)))
    repeating.lay_out(desk, comparison)
    laid = desk.draft
    assert (laid.pictures, laid.noun, laid.prompts) == (asked.pictures, asked.noun, asked.prompts)
    assert (laid.lr, laid.methods, laid.over) == (asked.lr, asked.methods, asked.over)
    assert laid.fields == asked.fields
    assert (laid.steps, laid.seed, laid.train_seeds) == (asked.steps, asked.seed, asked.train_seeds)
    again = starting.start(desk)
    assert again != comparison
    assert same(plan_of(desk, again), plan_of(desk, comparison))


def test_a_budget_between_two_stops_becomes_the_nearer_one(desk: Desk) -> None:
    chosen = replace(starting.choices(desk), budget=20_000)
    chosen.subject.save(desk.pictures, desk.home / "data" / desk.owner)
    comparison = starting.submit(desk, chosen)
    repeating.lay_out(desk, comparison)
    assert desk.draft.stop == 24
    assert desk.draft.preset == "quick"


def test_the_usual_prompts_stay_the_usual_ones(desk: Desk) -> None:
    comparison = started(desk, prompts=())
    assert plan_of(desk, comparison).shared.prompts == PROMPTS
    repeating.lay_out(desk, comparison, train_seeds=3)
    assert (desk.draft.prompts, desk.draft.train_seeds) == ((), 3)


def settings(desk: Desk, run: str) -> TrainSettings:
    return tables.build(TrainSettings, RunDirectory.of(desk.home, run).spec.settings, run)


def test_halved_means_this_method_alone_and_all_else_as_it_was(desk: Desk) -> None:
    comparison = started(
        desk, stop=12, over=("lora",), steps=9, seed=3, train_seeds=2,
        fields={"lora": {"alpha": 2.0}}, lr={"lora": 0.4, "so": 0.7},
    )  # fmt: skip
    plan = plan_of(desk, comparison)
    failed = next(run for run in plan.runs if run.id == "lora-2")
    with Store(desk.home) as store:
        store.end(plan.prepare, "finished")
        store.end(failed.run, "failed", "At step 3 the loss is not a finite number.")
    form = desk.draft
    before, chosen = repeating.halved(desk, failed.run)
    again = plan_of(desk, starting.submit(desk, chosen))
    assert before == comparison
    assert desk.draft == form
    assert again.shared == plan.shared
    assert [run.id for run in again.runs] == ["lora", "lora-2"]
    repeated, old = settings(desk, again.runs[1].run), settings(desk, failed.run)
    assert repeated.training == replace(old.training, lr=0.2)
    assert replace(repeated, training=old.training) == old
    assert again.preset == "quick, changed"
    assert {(run.training.steps, run.preset_steps) for run in again.runs} == {
        (9, plan.runs[0].preset_steps)
    }


def test_only_what_failed_in_training_is_mended(desk: Desk) -> None:
    plan = plan_of(desk, started(desk))
    for run in (plan.prepare, plan.runs[0].run):
        with pytest.raises(RunError, match="there is nothing to mend"):
            repeating.halved(desk, run)
    with Store(desk.home) as store:
        store.end(plan.prepare, "failed", "It broke.")
    with pytest.raises(RunError, match="there is nothing to mend"):
        repeating.halved(desk, plan.prepare)
