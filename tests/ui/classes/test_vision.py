"""A vision backbone on the page: chosen by its name, sized, started, and told of as what it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft import presets
from sparse_peft.backbones.vision import names as vision_names
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.report import words as said
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks.fewshot.recipe import TEMPLATE, ClassTrainSettings
from sparse_peft.ui.classes import boxes as desk_boxes
from sparse_peft.ui.classes import trainings
from sparse_peft.ui.clicks import once_more
from sparse_peft.ui.desk.desk import Desk, Studio
from sparse_peft.ui.estimates.chosen import chosen
from sparse_peft.ui.panels.classes.boxes import board as boxes
from sparse_peft.ui.panels.methods import board as methods
from tests.ui.boards import Checked, drawn, words
from tests.ui.classes.own_classes import act, class_desk, lay_classes, plan_of
from tests.ui.classes.vision_told import BLOCKS, NAME, OUTLINE, UNIT

EPOCHS, BATCH = 100, 32  # of SNELL's recipes


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_shapes, "outline", lambda _: OUTLINE)


@pytest.fixture
def desk(tmp_path: Path, told: None) -> Iterator[Desk]:  # noqa: ARG001
    """Alice's, with two classes of six pictures on it and a vision backbone chosen."""
    with class_desk(tmp_path) as found:
        lay_classes(found, tmp_path)
        assert act(found, "clip", backbone=NAME).errors == {}
        yield found


def started(desk: Desk) -> str:
    answer = act(desk, "start")
    assert answer.errors == {}
    assert answer.open
    return answer.open


def checked_presets(html: str) -> list[tuple[str | None, bool]]:
    return [
        (attrs["value"], "checked" in attrs)
        for tag, attrs in Checked(html).tags
        if (tag, attrs.get("name")) == ("input", "methods-preset")
    ]


@pytest.mark.slow
def test_the_outline_of_these_tests_is_that_of_timms_first_blocks() -> None:
    real = vision_shapes.outline("test_vit")
    first = {path: shape for path, shape in real.linears.items() if path in OUTLINE.linears}
    assert replace(real, linears=first) == OUTLINE
    assert all(int(path.split(".")[1]) >= BLOCKS for path in set(real.linears) - set(first))


def test_from_its_name_to_runs_in_the_queue(desk: Desk) -> None:
    html = drawn(methods, desk)
    assert checked_presets(html) == [
        ("quick", True), ("snell-8", False), ("snell-16", False), ("snell-32", False),
    ]  # fmt: skip
    text = words(html)
    assert "60 steps, 2 pictures of each class. Backbone: test_vit (random)." in text
    assert "Start 9 runs" in text
    assert act(desk, "preset", preset="snell-8").errors == {}
    assert f"{EPOCHS} steps, 2 pictures of each class" in words(drawn(methods, desk))
    act(desk, "tick", method="snell", on=True)
    act(desk, "tick", method="so", on=False)
    act(desk, "train_seeds", train_seeds="2")
    plan = plan_of(desk, started(desk))
    assert [run.id for run in plan.runs] == [
        f"{name}-s{seed}" for name in ("lora", "waveft", "snell") for seed in (1, 2)
    ]
    assert (plan.backbone, plan.preset, plan.budget) == (NAME, "snell-8", 8 * UNIT)
    assert plan.references == ("linear_probe",)
    assert (plan.shared.cls_token, plan.shared.template) == (True, TEMPLATE)
    assert {(run.training.steps, run.over_budget) for run in plan.runs} == {(EPOCHS, False)}
    with Store(desk.home) as store:
        assert [row.kind for row in store.runs()] == ["prepare", *["train"] * 6]


def test_the_dial_is_that_of_its_own_layers(desk: Desk) -> None:
    data = methods.render(desk, {})["data"]
    assert data["budgets"][data["stop"]] == said.count(8 * UNIT)
    assert set(presets.preset("quick", "fewshot", "vision").methods) <= set(data["methods"])
    assert act(desk, "budget", stop=24).errors == {}
    found = chosen(desk)
    assert found is not None
    assert found.budget == UNIT
    assert found.dial.tunable == sum(out * into for out, into in OUTLINE.linears.values())
    assert found.dial.methods["lora"].sizes[24].active == UNIT
    assert found.dial.goes("snell", 24) == (found.dial.methods["snell"].smallest == UNIT)


def test_steps_of_a_recipe_in_epochs_follow_from_the_pictures(desk: Desk, tmp_path: Path) -> None:
    act(desk, "preset", preset="snell-8")
    lay_classes(desk, tmp_path, each=18)
    act(desk, "shots", shots="17")
    found = chosen(desk)
    assert found is not None
    batches = -(-2 * 17 // BATCH)  # of two classes
    assert (batches, found.steps) == (2, 2 * EPOCHS)
    assert trainings.training(found, "lora").training.steps == 2 * EPOCHS
    assert {run.training.steps for run in plan_of(desk, started(desk)).runs} == {2 * EPOCHS}


def test_a_run_is_told_what_the_estimate_was_asked_for(desk: Desk) -> None:
    act(desk, "preset", preset="snell-8")
    found = chosen(desk)
    assert found is not None
    run = next(each for each in plan_of(desk, started(desk)).runs if each.method == "lora")
    settings = once_more.settings_of(desk, run.run, ClassTrainSettings)
    asked = trainings.training(found, "lora")
    assert asked.training == settings.training
    assert (asked.fields, asked.budget) == (settings.fields, settings.budget)
    assert replace(asked.shared, seeds=settings.shared.seeds) == settings.shared


def test_what_is_laid_out_asks_for_the_same_again(desk: Desk) -> None:
    act(desk, "preset", preset="snell-8")
    first = started(desk)
    act(desk, "class_clear")
    act(desk, "clip", backbone="builtin")
    assert act(desk, "again", comparison=first).errors == {}
    assert (desk.draft.backbone, desk.draft.preset, desk.draft.steps) == (NAME, "snell-8", None)
    assert started(desk) == first
    act(desk, "steps", steps="7")
    other = started(desk)
    act(desk, "again", comparison=other)
    assert desk.draft.steps == 7


def test_half_the_rate_keeps_the_recipe(desk: Desk) -> None:
    act(desk, "preset", preset="snell-8")
    comparison = started(desk)
    plan = plan_of(desk, comparison)
    with Store(desk.home) as store:
        store.end(plan.prepare, "finished")
        store.end(plan.runs[0].run, "failed", "At step 3 the loss is not a finite number.")
    answer = act(desk, "halve", run=plan.runs[0].run)
    assert answer.errors == {}
    again = plan_of(desk, (answer.open or "").split("+")[-1])
    assert (again.shared, again.references) == (plan.shared, ("linear_probe",))
    before, after = plan.runs[0].training, again.runs[0].training
    assert after == replace(before, lr=before.lr / 2, preset=after.preset)


def test_the_linear_probe_is_always_there_and_zero_shot_is_not(desk: Desk) -> None:
    html = drawn(methods, desk)
    assert "zero-shot" not in words(html).lower()
    assert "with a linear head on its untouched features" in words(html)
    assert "methods-linear-probe" not in html
    desk.change(methods=())
    assert 'data-do="start" aria-describedby="methods-start-said">' in drawn(methods, desk)
    plan = plan_of(desk, started(desk))
    assert (plan.runs, plan.references) == ((), ("linear_probe",))


def test_it_reads_no_words(desk: Desk) -> None:
    text = words(drawn(boxes, desk))
    assert "This backbone reads no words: a linear head on it learns the classes." in text
    assert "The backbone reads:" not in text
    desk_boxes.change(desk, lambda form: replace(form, template="a drawing of a {}"))
    assert plan_of(desk, started(desk)).shared.template == TEMPLATE
    act(desk, "clip", backbone="builtin")
    assert "a drawing of a" in words(drawn(boxes, desk))


def test_new_classes_are_refused_where_they_can_be_taken_back(desk: Desk) -> None:
    desk_boxes.change(desk, lambda form: replace(form, base_to_new=True))
    answer = act(desk, "start")
    assert list(answer.errors) == ["shots"]
    assert "reads no words, so it cannot name classes that it was not shown" in str(answer.errors)
    assert answer.tab == "pictures"
    assert act(desk, "class_whole").errors == {}
    started(desk)


def test_a_recipe_of_the_vision_family_stays_in_it(desk: Desk) -> None:
    act(desk, "preset", preset="snell-32")
    act(desk, "clip", backbone="timm:test_vit2/random")
    assert desk.draft.preset == "snell-32"
    act(desk, "clip", backbone="builtin")
    assert desk.draft.preset == "quick"


def test_a_checkpoint_is_named_after_its_architecture(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "w.npz"
    file.write_bytes(b"weights")
    assert act(desk, "clip", backbone=f"timm:test_vit@{file}").errors == {}
    assert desk.draft.backbone == f"timm:test_vit@{file}"
    server = Desk(Studio(desk.home, "server"), desk.owner)
    refused = act(server, "clip", backbone=f"timm:test_vit@{file}").errors["clip"]
    assert "a name of timm such as timm:vit_base_patch16_224" in refused
    assert act(server, "clip", backbone=NAME).errors == {}


def test_what_timm_does_not_know_is_said_at_the_field(desk: Desk) -> None:
    said = act(desk, "clip", backbone="timm:test_vitt/random").errors["clip"]
    assert "Did you mean test_vit?" in said
    assert desk.draft.backbone == NAME


def test_published_weights_that_are_not_here_are_offered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision_names, "_hub_file", lambda *_: None)
    assert act(desk, "clip", backbone="timm:test_vit").errors == {}
    text = words(drawn(methods, desk))
    assert "timm:test_vit is not on this machine yet" in text
    assert "a ViT, Swin or ConvNeXt of timm" in text
    assert act(desk, "measure").errors == {}
    with Store(desk.home) as store:
        [row] = store.runs()
    settings = RunDirectory.of(desk.home, row.id).spec.settings
    assert (settings["backbone"], settings["task"]) == ("timm:test_vit", "fewshot")
