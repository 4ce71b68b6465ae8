"""Start: from the draft to the queue, or a sentence at the field that has to be mended."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.data.subject import Subject
from sparse_peft.methods.lora import LoRA
from sparse_peft.planning import budget_scale
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks.dreambooth.recipe import TrainSettings
from sparse_peft.ui.clicks import starting
from sparse_peft.ui.clicks.actions import FieldError
from sparse_peft.ui.desk.desk import Desk
from tests.ui.own_desk import ALICE, BOB, UNIT, end_all, own_desk, plan_of, started, states


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


def mistake(desk: Desk, **changes: Any) -> tuple[str, str | None, str]:
    """Field, tab and sentence."""
    desk.change(**changes)
    with pytest.raises(FieldError) as caught:
        starting.start(desk)
    with Store(desk.home) as store:
        assert store.comparisons() == []
    return caught.value.field, caught.value.tab, str(caught.value)


def test_the_draft_becomes_a_comparison_of_its_owner(desk: Desk) -> None:
    comparison = starting.start(desk)
    plan = plan_of(desk, comparison)
    assert [run.id for run in plan.runs] == ["lora", "waveft", "so"]
    assert (plan.budget, plan.preset, plan.backbone) == (UNIT, "quick", "builtin")
    assert plan.shared.prompts == ("a {subject} at sea",)
    assert plan.subject.startswith(f"{ALICE}/cat-")
    subject = Subject.load(desk.home / "data" / plan.subject)
    assert subject.pictures == desk.draft.pictures
    with Store(desk.home) as store:
        assert store.comparisons(ALICE) == [comparison]
        assert {row.owner for row in store.runs()} == {ALICE}


def test_pressed_twice_or_in_two_tabs_it_is_one_comparison(desk: Desk) -> None:
    found: list[str] = []
    tabs = [Thread(target=lambda: found.append(starting.start(desk))) for _ in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_once_it_has_ended_or_the_form_has_changed_it_is_another(desk: Desk) -> None:
    first = starting.start(desk)
    assert started(desk, stop=30) != first
    desk.change(stop=None)
    assert starting.start(desk) == first
    end_all(desk, first)
    assert starting.start(desk) != first


def test_another_setting_of_a_method_is_another_comparison(desk: Desk) -> None:
    first = started(desk, fields={"waveft": {"scaling": 10.0}})
    assert started(desk, fields={"waveft": {"scaling": 20.0}}) != first
    assert started(desk, fields={"waveft": {"scaling": 10.0}}) == first


def test_another_person_who_asks_for_the_same_gets_their_own(desk: Desk) -> None:
    first = starting.start(desk)
    other = Desk(desk.studio, BOB)
    other.pictures.mkdir(parents=True)
    for picture in desk.draft.pictures:
        (other.pictures / picture.file).write_bytes((desk.pictures / picture.file).read_bytes())
    other.change(**vars(desk.draft))
    second = starting.start(other)
    assert second != first
    assert plan_of(desk, second).subject.startswith(f"{BOB}/cat-")


def test_the_budgets_place_is_a_stop_of_the_scale(desk: Desk) -> None:
    shapes = sources.shapes(sources.resolve("builtin"), "attention")
    for stop in (24, 28, 48):
        plan = plan_of(desk, started(desk, stop=stop))
        assert plan.budget == budget_scale(shapes)[stop]


def test_a_method_that_cannot_go_so_low_is_left_out_unless_it_was_added(desk: Desk) -> None:
    assert [run.id for run in plan_of(desk, started(desk, stop=12)).runs] == ["waveft", "so"]
    added = plan_of(desk, started(desk, stop=12, over=("lora",))).runs
    assert [(run.id, run.over_budget) for run in added] == [
        ("lora", True), ("waveft", False), ("so", False)
    ]  # fmt: skip


def test_a_method_without_a_rate_is_left_out_until_it_gets_one(desk: Desk) -> None:
    lean = desk.home.parent / "presets" / "tiny.toml"
    lean.write_text(lean.read_text().replace("[methods.so]\nlr = 1e-2\n", ""))
    assert [run.id for run in plan_of(desk, started(desk)).runs] == ["lora", "waveft"]
    given = plan_of(desk, started(desk, lr={"so": 0.5}))
    assert [(run.id, run.training.lr) for run in given.runs][2] == ("so", 0.5)
    assert given.preset == "quick, changed"


def test_what_was_changed_about_a_ticked_method_is_trained_and_said(desk: Desk) -> None:
    comparison = started(
        desk, lr={"lora": 0.5, "snell": 3.0}, fields={"lora": {"alpha": 8.0}}, methods=("lora",)
    )
    plan = plan_of(desk, comparison)
    assert (plan.preset, plan.runs[0].training.preset) == ("quick, changed", "quick, changed")
    spec = RunDirectory.of(desk.home, plan.runs[0].run).spec
    settings = tables.build(TrainSettings, spec.settings, "run")
    assert settings.training.lr == 0.5
    assert settings.fields == tables.table(LoRA(rank=1, alpha=8.0))


def test_a_change_to_what_the_preset_has_anyway_is_none(desk: Desk) -> None:
    plan = plan_of(desk, started(desk, lr={"lora": 0.01}, fields={"lora": {"dropout": 0.0}}))
    assert plan.preset == "quick"
    source = sources.resolve("builtin")
    draft = replace(desk.draft, lr={"so": 0.5}, methods=("lora",))
    assert starting.preset_of(draft, source) == presets.preset("quick", "dreambooth", "builtin")


@pytest.mark.parametrize(
    ("changes", "field", "tab", "words"),
    [
        ({"pictures": ()}, "pictures", "pictures", "Add at least one picture first"),
        ({"noun": " "}, "noun", "pictures", "Say what it is first, in a word such as dog."),
        ({"noun": "c/t"}, "noun", "pictures", "The noun 'c/t' cannot be used"),
        ({"token": "NO"}, "token", "pictures", "The token 'NO' cannot be used"),
        ({"backbone": "owner/unknown"}, "backbone", "pictures", "is not on this machine yet"),
        ({"backbone": "/nowhere"}, "backbone", "pictures", "no such folder"),
        ({"preset": "slow"}, "preset", "methods", "unknown preset 'slow'"),
        ({"preset": "/etc/x.toml"}, "preset", "methods", "unknown preset '/etc/x.toml'"),
        ({"methods": ()}, "methods", "methods", "Tick at least one method."),
        (
            {"methods": ("lara",)},
            "methods",
            "methods",
            "unknown method 'lara'. Did you mean 'lora'",
        ),
        ({"methods": ("lora", "lora")}, "methods", "methods", "names lora twice"),
        ({"stop": 0, "methods": ("lora",)}, "methods", "methods", "No ticked method can go as low"),
        ({"stop": 49}, "budget", "methods", "The budget's place is 49; use 0 to 48."),
        ({"steps": 0}, "steps", "methods", "steps is 0; use 1 or more."),
        ({"seed": -1}, "seed", "methods", "seed is -1"),
        ({"train_seeds": 0}, "train_seeds", "methods", "train-seeds is 0; use 1 to 100."),
        ({"lr": {"so": 0.0}}, "so.lr", "methods", "lr is 0.0; use a number above 0."),
        ({"fields": {"so": {"T": 0}}}, "so.T", "methods", "T is 0"),
        ({"fields": {"so": {"t": 1}}}, "so.t", "methods", "unknown setting 't'"),
        ({"fields": {"lora": {"alpha": "x"}}}, "lora.alpha", "methods", "'x'"),
        ({"prompts": ("a {cat}",)}, "prompts", "methods", "only {subject} is known"),
    ],
)
def test_a_mistake_is_told_at_its_field(
    desk: Desk, changes: dict[str, Any], field: str, tab: str, words: str
) -> None:
    where, page, text = mistake(desk, **changes)
    assert (where, page) == (field, tab)
    assert words in text


def test_a_picture_that_has_gone_is_named(desk: Desk) -> None:
    (desk.pictures / desk.draft.pictures[1].file).unlink()
    assert mistake(desk) == (
        "pictures", "pictures", "1.png is not there any more. Add it again."
    )  # fmt: skip


def test_the_token_is_the_next_that_no_prompt_caption_or_noun_has(desk: Desk) -> None:
    assert starting.subject_of(desk).token == "sks"
    first, *rest = desk.draft.pictures
    captioned = (replace(first, caption="beside a zwx"), *rest)
    desk.change(pictures=captioned, prompts=("a sks {subject}",))
    assert starting.subject_of(desk).token == "vfk"
    desk.change(token="qjx")
    assert starting.subject_of(desk).token == "qjx"


def test_the_queue_before_it_is_told_and_never_that_it_has_begun(desk: Desk) -> None:
    first = starting.start(desk)
    assert starting.waiting(desk, first) == "Waiting: it is next."
    second = started(desk, seed=1)
    assert starting.waiting(desk, second) == "Waiting: 4 runs before this one."
    with Store(desk.home) as store:
        row = store.claim("cpu-0")
    assert row is not None
    assert starting.waiting(desk, first) == "It is at work."
    end_all(desk, first)
    assert starting.waiting(desk, second) == "Waiting: it is next."
    assert states(desk, second) == ["queued"] * 4
