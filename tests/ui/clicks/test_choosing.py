"""Clicks of the second step, hostile ones too, and the probe that they ask for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.errors import SpecError
from sparse_peft.methods import all_methods
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks.dreambooth.recipe import ProbeSettings
from sparse_peft.ui.clicks import doing, gathering, looking
from sparse_peft.ui.clicks.actions import Answer, perform
from sparse_peft.ui.clicks.choosing import ACTIONS
from sparse_peft.ui.clicks.starting import start
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft
from sparse_peft.ui.estimates import chosen as choice
from sparse_peft.ui.estimates import probing
from sparse_peft.ui.estimates.chosen import chosen
from tests.ui.own_desk import own_desk, plan_of

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with own_desk(tmp_path, monkeypatch) as desk:
        yield desk


def ask(desk: Desk, do: str, **asked: Any) -> Answer:
    return perform(ACTIONS, desk, {"do": do, "open": "", **asked})


def done(desk: Desk, do: str, **asked: Any) -> Draft:
    answer = ask(desk, do, **asked)
    assert answer.errors == {}
    assert answer.show == ("methods",)
    return desk.draft


def refused(desk: Desk, do: str, **asked: Any) -> tuple[str, str]:
    """Field and sentence; the draft is as it was."""
    before = desk.draft
    [(field, sentence)] = ask(desk, do, **asked).errors.items()
    assert desk.draft == before
    return field, sentence


def test_no_other_room_has_an_action_of_the_same_name() -> None:
    others = {*doing.ACTIONS, *gathering.ACTIONS, *looking.ACTIONS}
    assert not others & set(ACTIONS)


def test_the_dial_turns_within_its_scale(desk: Desk) -> None:
    assert done(desk, "budget", stop=7).stop == 7
    for stop in (-1, 49):
        assert refused(desk, "budget", stop=stop)[0] == "budget"
    assert "expected int" in refused(desk, "budget", stop="7")[1]


def test_methods_are_ticked_and_left_out(desk: Desk) -> None:
    assert done(desk, "tick", method="so", on=False).methods == ("lora", "waveft")
    assert done(desk, "tick", method="so", on=True).methods == ("lora", "waveft", "so")
    assert done(desk, "tick", method="so", on=True).methods == ("lora", "waveft", "so")
    assert refused(desk, "tick", method="../etc", on=True)[0] == "methods"


def test_a_method_below_its_smallest_takes_part_when_it_was_added(desk: Desk) -> None:
    done(desk, "budget", stop=0)
    assert taking_part(desk) == ("waveft", "so")
    draft = done(desk, "over", method="lora", on=True)
    assert (draft.methods, draft.over) == (("lora", "waveft", "so"), ("lora",))
    assert taking_part(desk) == ("lora", "waveft", "so")
    runs = plan_of(desk, start(desk)).runs
    assert [(run.method, run.over_budget) for run in runs] == [
        ("lora", True), ("waveft", False), ("so", False),
    ]  # fmt: skip
    assert done(desk, "over", method="lora", on=False).over == ()
    done(desk, "over", method="lora", on=True)
    assert done(desk, "tick", method="lora", on=False).over == ()


def taking_part(desk: Desk) -> tuple[str, ...]:
    found = chosen(desk)
    assert found is not None
    return found.taking_part


def test_a_preset_comes_with_its_steps(desk: Desk) -> None:
    assert done(desk, "steps", steps="300").steps == 300
    assert done(desk, "preset", preset="best").steps is None
    assert refused(desk, "preset", preset="/etc/passwd.toml")[0] == "preset"


@pytest.mark.parametrize(("do", "usual"), [("steps", None), ("seed", 0), ("train_seeds", 1)])
def test_whole_numbers_are_whole_numbers(desk: Desk, do: str, usual: int | None) -> None:
    assert getattr(done(desk, do, **{do: " 12 "}), do) == 12
    assert getattr(done(desk, do, **{do: 3}), do) == 3
    for wrong, why in (
        ("-1", "or more."), ("1.5", "is not a whole number."), ("many", "is not a whole number."),
        ("9" * 400, "use at most"), ("\u0663", "is not a whole number."),
    ):  # fmt: skip
        field, sentence = refused(desk, do, **{do: wrong})
        assert field == do
        assert why in sentence
    assert getattr(done(desk, do, **{do: ""}), do) == usual


def test_a_setting_has_the_type_that_its_method_gives_it(desk: Desk) -> None:
    assert field(desk, "waveft", "scaling", "10") == {"scaling": 10.0}
    assert field(desk, "waveft", "proportional", True) == {"scaling": 10.0, "proportional": True}
    assert field(desk, "lora", "alpha", "2.5") == {"alpha": 2.5}
    assert field(desk, "so", "prune", "before") == {"prune": "before"}
    assert field(desk, "so", "T", " 5 ") == {"prune": "before", "T": 5}
    assert field(desk, "waveft", "scaling", "") == {"proportional": True}


def field(desk: Desk, method: str, name: str, value: object) -> dict[str, object]:
    return dict(done(desk, "field", method=method, name=name, value=value).fields[method])


def test_the_usual_value_is_no_change(desk: Desk) -> None:
    assert field(desk, "waveft", "scaling", "25") == {}
    assert field(desk, "waveft", "proportional", False) == {}


@pytest.mark.parametrize(
    ("method", "name", "value", "sentence"),
    [
        ("waveft", "scaling", "much", "expected float"),
        ("waveft", "scaling", "0", "scaling is 0.0; expected more than 0"),
        ("waveft", "scaling", "nan", "expected a finite number"),
        ("waveft", "wavelet_family", "<b>", "expected db1"),
        ("waveft", "random_loc_seed", "1.5", "expected int"),
        ("so", "prune", "aftr", "Did you mean 'after'?"),
        ("so", "T", True, "expected int"),
        ("lora", "dropout", "1", "expected 0 to below 1"),
    ],
)
def test_a_wrong_setting_is_said_at_its_field(
    desk: Desk, method: str, name: str, value: object, sentence: str
) -> None:
    place, said = refused(desk, "field", method=method, name=name, value=value)
    assert place == f"{method}.{name}"
    assert sentence in said


def test_an_unknown_setting_or_a_foreign_one_is_refused(desk: Desk) -> None:
    assert "has no setting" in refused(desk, "field", method="so", name="name", value="x")[1]
    assert "unknown method" in refused(desk, "field", method="x", name="T", value="1")[1]


def test_a_learning_rate_is_a_number_above_nought(desk: Desk) -> None:
    assert done(desk, "lr", method="lora", lr="3e-3").lr == {"lora": 0.003}
    for wrong in ("0", "-1", "fast", "inf", "nan"):
        assert refused(desk, "lr", method="lora", lr=wrong)[0] == "lora.lr"
    assert done(desk, "lr", method="lora", lr="").lr == {}


def test_prompts_are_typed_as_a_person_says_them(desk: Desk) -> None:
    assert done(desk, "prompts", text="your cat at sea\na dog").prompts == (
        "a {subject} at sea", "a dog",
    )  # fmt: skip
    assert refused(desk, "prompts", text="{other}")[0] == "prompts"
    assert done(desk, "prompts", text=" ").prompts == ()


def test_reset_goes_back_to_the_preset_and_leaves_budget_and_ticks(desk: Desk) -> None:
    before = done(desk, "budget", stop=30)
    done(desk, "lr", method="lora", lr="1")
    done(desk, "field", method="so", name="T", value="5")
    done(desk, "steps", steps="9")
    done(desk, "prompts", text="a dog")
    after = done(desk, "reset")
    assert (after.stop, after.methods) == (30, before.methods)
    assert (after.steps, after.lr, after.fields, after.prompts) == (None, {}, {}, ())


def probes(desk: Desk) -> list[ProbeSettings]:
    with Store(desk.home) as store:
        runs = [RunDirectory.of(desk.home, row.id).spec for row in store.runs()]
    return [tables.build(ProbeSettings, run.settings, "run") for run in runs]


def test_measuring_asks_for_the_methods_that_take_part_once(desk: Desk) -> None:
    done(desk, "budget", stop=0)
    done(desk, "measure")
    done(desk, "measure")
    [probe] = probes(desk)
    assert probe.backbone == "builtin"
    assert [training.method for training in probe.trainings] == ["waveft", "so"]
    assert probing.standing(desk) == probing.Probing(True, "Waiting for the runs before it")


def test_a_measurement_that_failed_says_why_for_its_backbone_only(desk: Desk) -> None:
    done(desk, "measure")
    with Store(desk.home) as store:
        [row] = store.runs()
        store.claim("cpu-0")
        store.end(row.id, "failed", "The memory did not suffice.")
    assert probing.standing(desk) == probing.Probing(False, "", "The memory did not suffice.")
    desk.change(backbone=SDXL)
    assert probing.standing(desk) is None


def test_a_backbone_that_is_not_here_is_fetched_and_measured_at_usual_sizes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "family_of", lambda _: "builtin")
    monkeypatch.setattr(probing, "family_of", lambda _: "builtin")
    monkeypatch.setattr(sources, "found", lambda *_: None)
    desk.change(backbone=SDXL)
    assert chosen(desk) is None
    done(desk, "measure")
    [probe] = probes(desk)
    assert probe.backbone == SDXL
    assert {training.shared.backbone for training in probe.trainings} == {SDXL}
    assert [training.method for training in probe.trainings] == list(desk.draft.methods)


def test_a_backbone_of_an_unknown_family_is_fetched_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "found", lambda *_: None)
    desk.change(backbone="owner/name")
    done(desk, "measure")
    assert probes(desk) == [ProbeSettings("owner/name")]


def test_cards_stand_by_family_lora_first() -> None:
    assert choice.ordered()[0] == "lora"
    assert set(choice.ordered()) == set(all_methods())


@pytest.mark.parametrize("asked", [{}, {"method": 1, "on": True}, {"method": "so", "x": 1}])
def test_what_no_page_sends_becomes_a_sentence(desk: Desk, asked: dict[str, Any]) -> None:
    assert refused(desk, "tick", **asked)[0] == "methods"
    with pytest.raises(SpecError, match="there is not"):
        ask(desk, "budgets", stop=1)
