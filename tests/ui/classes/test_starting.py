"""Boxes become a comparison in the queue; what has to be mended is told at its field."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.data.labelled import Labelled
from sparse_peft.runs.store import Store
from sparse_peft.ui.classes import boxes, repeating
from sparse_peft.ui.desk.desk import Desk
from tests.ui.classes.own_classes import act, class_desk, form_of, lay_classes, plan_of

UNIT = 10_368  # LoRA rank 1 on all layers of the text tower of the built-in CLIP


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with class_desk(tmp_path) as found:
        lay_classes(found, tmp_path)
        yield found


def started(desk: Desk) -> str:
    answer = act(desk, "start")
    assert answer.errors == {}
    assert answer.open
    return answer.open


def test_start_asks_for_every_method_on_every_draw(desk: Desk) -> None:
    act(desk, "linear_probe", on=True)
    comparison = started(desk)
    plan = plan_of(desk, comparison)
    assert [run.id for run in plan.runs] == [
        f"{name}-s{seed}" for name in ("lora", "waveft", "so") for seed in (1, 2, 3)
    ]
    assert plan.references == ("zeroshot", "linear_probe")
    assert (plan.shared.classes, plan.shared.shots, plan.shared.seeds) == (
        ("cup", "shoe"),
        2,
        (1, 2, 3),
    )
    assert plan.budget == 4 * UNIT
    labelled = Labelled.load(desk.home / "data" / plan.dataset)
    assert labelled.counts("pool") == (6, 6)
    assert plan.dataset == f"{desk.owner}/{labelled.id}"


def test_asked_for_again_it_is_the_same_and_after_a_change_another(desk: Desk) -> None:
    first = started(desk)
    assert started(desk) == first
    act(desk, "shots", shots="3")
    assert started(desk) != first


def test_a_linear_probe_alone_needs_no_method(desk: Desk) -> None:
    desk.change(methods=())
    assert act(desk, "start").errors == {"methods": "Tick at least one method."}
    act(desk, "linear_probe", on=True)
    plan = plan_of(desk, started(desk))
    assert (plan.runs, plan.references) == ((), ("zeroshot", "linear_probe"))


def test_mistakes_are_told_on_the_step_where_they_are_mended(desk: Desk) -> None:
    act(desk, "shots", shots="6")
    answer = act(desk, "start")
    assert answer.errors == {"box:1": "Add 1 more picture, or learn from fewer."}
    assert answer.tab == "pictures"
    act(desk, "shots", shots="2")
    desk.change(backbone="ViT-B-16/openai")
    assert "not on this machine yet" in act(desk, "start").errors["clip"]
    desk.change(backbone="RN50/random", preset="clip-lora")
    answer = act(desk, "start")
    assert "convolutional" in answer.errors["preset"]
    assert answer.tab == "methods"


def test_a_picture_that_has_gone_is_named(desk: Desk) -> None:
    next(desk.class_pictures.glob("*.png")).unlink()
    assert "is not there any more. Add it again." in act(desk, "start").errors["classes"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stop": 12, "over": ("lora",), "methods": ("so", "lora")},
        {"steps": 9, "seed": 5, "train_seeds": 2},
        {"lr": {"lora": 0.5}, "fields": {"lora": {"alpha": 2.0}}},
    ],
)
def test_what_is_laid_out_asks_for_the_same_again(desk: Desk, changes: dict[str, object]) -> None:
    desk.change(**changes)
    boxes.change(desk, lambda form: replace(form, template="a drawing of a {}", linear_probe=True))
    first = started(desk)
    before = form_of(desk)
    act(desk, "class_clear")
    act(desk, "teach", task="dreambooth")
    answer = act(desk, "again", comparison=first)
    assert (answer.errors, answer.tab, answer.about) == ({}, "methods", "fewshot")
    assert replace(form_of(desk), title="") == replace(before, title="")
    assert started(desk) == first


def test_base_to_new_stays_what_it_was(desk: Desk) -> None:
    boxes.change(desk, lambda form: replace(form, base_to_new=True))
    first = started(desk)
    assert plan_of(desk, first).shared.new_classes == ("shoe",)
    act(desk, "class_clear")
    act(desk, "again", comparison=first)
    assert form_of(desk).base_to_new
    assert started(desk) == first


def test_no_picture_goes_while_it_is_copied(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tab takes a picture out at the very moment of Start."""
    save, removed = Labelled.save, threading.Event()
    box = form_of(desk).boxes[0]

    def remove() -> None:
        boxes.remove_picture(desk, box.id, box.pictures[0].sha256)
        removed.set()

    other = threading.Thread(target=remove)

    def slowly(labelled: Labelled, decoded: Path, data: Path) -> Path:
        other.start()
        assert not removed.wait(0.3)
        return save(labelled, decoded, data)

    monkeypatch.setattr(Labelled, "save", slowly)
    plan = plan_of(desk, started(desk))
    other.join(10)
    assert removed.is_set()
    assert Labelled.load(desk.home / "data" / plan.dataset).counts("pool") == (6, 6)
    assert len(form_of(desk).boxes[0].pictures) == 5


def test_more_draws_lead_to_the_form(desk: Desk) -> None:
    desk.change(train_seeds=1)
    first = started(desk)
    assert act(desk, "more_seeds", comparison=first).tab == "methods"
    assert desk.draft.train_seeds == 3


def test_halved_means_this_method_alone_and_all_else_as_it_was(desk: Desk) -> None:
    comparison = started(desk)
    plan = plan_of(desk, comparison)
    failed = plan.runs[3]
    with Store(desk.home) as store:
        store.end(plan.prepare, "finished")
        store.end(failed.run, "failed", "At step 3 the loss is not a finite number.")
    answer = act(desk, "halve", run=failed.run)
    assert answer.errors == {}
    again = plan_of(desk, (answer.open or "").split("+")[-1])
    assert again.shared == plan.shared
    assert [run.id for run in again.runs] == ["waveft-s1", "waveft-s2", "waveft-s3"]
    assert again.runs[0].training.lr == failed.training.lr / 2
    assert repeating.halved(desk, failed.run)[0] == comparison
