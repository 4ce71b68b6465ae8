"""What clicks on the first step for classes do, and what they answer to nonsense."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.ui.classes import boxes, sorting
from sparse_peft.ui.classes.form import ClassForm
from sparse_peft.ui.desk.desk import Desk, Studio
from tests.ui.classes.own_classes import (
    act,
    box_called,
    class_desk,
    draw_files,
    form_of,
    lay_classes,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with class_desk(tmp_path) as found:
        yield found


def test_a_box_is_named_added_and_removed(desk: Desk) -> None:
    assert act(desk, "class_name", box="1", name="  red   cup ").errors == {}
    assert act(desk, "class_add").said == "Class 3 added."
    assert act(desk, "class_remove", box="2").said == "Class 2 removed."
    assert [(box.id, box.name) for box in form_of(desk).boxes] == [("1", "red cup"), ("3", "")]
    assert act(desk, "class_add").said == "Class 3 added."
    assert form_of(desk).boxes[-1].id == "4"  # never another's


@pytest.mark.parametrize("name", ["x" * 81, "two\nlines", "bell\x07"])
def test_what_cannot_be_a_name_is_told_at_its_box(desk: Desk, name: str) -> None:
    answer = act(desk, "class_name", box="2", name=name)
    assert list(answer.errors) == ["class_name:2"]
    assert form_of(desk) == ClassForm()


@pytest.mark.parametrize(
    ("do", "asked", "field"),
    [
        ("class_name", {"box": "9", "name": "x"}, "class_name:9"),
        ("class_remove", {"box": "../1"}, "classes"),
        ("class_picture", {"box": "1", "sha256": "0" * 64}, "classes"),
        ("class_reuse", {"dataset": "../../o2"}, "classes"),
        ("class_unfold", {"box": "1", "on": "yes"}, "classes"),
        ("shots", {"shots": "0"}, "shots"),
        ("shots", {"shots": "four"}, "shots"),
        ("shots", {"shots": "1e9"}, "shots"),
        ("template", {"template": "a photo"}, "template"),
        ("template", {"template": "{} and {}"}, "template"),
        ("clip", {"backbone": "ViT-B-16/nobody"}, "clip"),
        ("clip", {"backbone": "/etc/passwd"}, "clip"),
        ("teach", {"task": "chess"}, "task"),
    ],
)
def test_nonsense_is_a_sentence_at_its_field(
    desk: Desk, do: str, asked: dict[str, Any], field: str
) -> None:
    answer = act(desk, do, **asked)
    assert list(answer.errors) == [field]
    assert form_of(desk) == ClassForm()


def test_on_a_server_no_folder_and_no_file_is_looked_at(desk: Desk, tmp_path: Path) -> None:
    server = Desk(Studio(desk.home, "server"), desk.owner)
    for backbone in (str(tmp_path), "ViT-B-16@/etc/passwd", "../up", "~"):
        answer = act(server, "clip", backbone=backbone)
        assert "only where the studio runs on your own computer" in answer.errors["clip"]
    assert act(server, "clip", backbone="ViT-B/16").errors == {}
    assert desk.draft.backbone == "ViT-B-16/openai"
    assert act(server, "clip", backbone="hf-hub:owner/name").errors == {}


def test_a_preset_of_another_family_is_left_with_it(desk: Desk) -> None:
    act(desk, "clip", backbone="ViT-B-16/random")
    assert act(desk, "preset", preset="so-paper").errors == {}
    act(desk, "clip", backbone="ViT-B-32/random")
    assert desk.draft.preset == "so-paper"
    act(desk, "clip", backbone="builtin")
    assert desk.draft.preset == "quick"


def test_next_says_all_that_is_missing_and_then_goes_on(desk: Desk, tmp_path: Path) -> None:
    assert act(desk, "class_next").errors == {"classes": sorting.FIRST}
    boxes.add(desk, draw_files(tmp_path / "a", 3), "1")
    boxes.add(desk, draw_files(tmp_path / "b", 4, 1), "2")
    act(desk, "class_name", box="2", name="hat")
    answer = act(desk, "class_next")
    assert answer.errors == {
        "class_name:1": "Name this class.", "box:2": "Add 1 more picture, or learn from fewer.",
    }  # fmt: skip
    assert answer.tab is None
    act(desk, "class_name", box="1", name="HAT")
    assert 'Two classes are called "HAT"' in act(desk, "class_next").errors["class_name:1"]
    act(desk, "class_name", box="1", name="cup")
    act(desk, "shots", shots="2")
    assert (act(desk, "class_next").errors, act(desk, "class_next").tab) == ({}, "methods")


def test_one_picture_in_two_classes_has_to_be_mended(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    boxes.add(desk, draw_files(tmp_path / "again", 1), box_called(desk, "shoe").id)
    answer = act(desk, "class_next")
    assert answer.errors == {
        "box:1": "A picture is also in shoe. Keep it in the class that it shows.",
        "box:2": "A picture is also in cup. Keep it in the class that it shows.",
    }


def test_two_forms_are_kept_apart(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    desk.change(preset="so-paper", methods=("so",))
    assert act(desk, "teach", task="dreambooth").about == "dreambooth"
    assert (desk.task, desk.draft.preset, desk.draft.train_seeds) == ("dreambooth", "quick", 1)
    act(desk, "teach", task="fewshot")
    assert (desk.task, desk.draft.preset, desk.draft.train_seeds) == ("fewshot", "so-paper", 3)
    assert [box.name for box in form_of(desk).boxes] == ["cup", "shoe"]


def test_remove_all_leaves_the_template_and_the_usual_shots(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    act(desk, "template", template="a drawing of a {}")
    act(desk, "class_clear")
    assert form_of(desk) == ClassForm(template="a drawing of a {}")
    assert list(desk.class_pictures.glob("*.png")) == []
