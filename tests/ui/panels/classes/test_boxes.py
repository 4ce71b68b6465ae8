"""The boards of classes: whole HTML, nothing of a person's words in it unescaped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.data.findings import Finding
from sparse_peft.ui.classes.boxes import change
from sparse_peft.ui.classes.form import Box, ClassForm
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.classes.boxes import board as boxes
from sparse_peft.ui.panels.methods import board as methods
from sparse_peft.ui.panels.pictures import board as pictures
from sparse_peft.ui.panels.switch import board as switch
from tests.ui.boards import Checked, drawn, words
from tests.ui.classes.own_classes import act, class_desk, lay_classes

EVIL = "<script>\"&'"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with class_desk(tmp_path) as found:
        yield found


def test_only_the_form_that_is_in_view_is_drawn(desk: Desk) -> None:
    assert pictures.render(desk, {})["html"] == ""
    assert "Sort pictures into classes." in words(drawn(boxes, desk))
    act(desk, "teach", task="dreambooth")
    assert boxes.render(desk, {})["html"] == ""
    assert "Show the backbone one subject." in words(drawn(pictures, desk))


def test_the_switch_says_what_is_taught(desk: Desk) -> None:
    html = drawn(switch, desk)
    taken = [attrs["value"] for _, attrs in Checked(html).tags if "checked" in attrs]
    assert taken == ["fewshot"]
    assert "Teach it one subject" in words(html)


def test_boxes_say_how_their_pictures_are_used(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    text = words(drawn(boxes, desk))
    assert "2 classes with 12 pictures." in text
    assert "6 pictures: 2 to learn from, 4 to test it." in text
    assert "2 of each class are learned from, the other 4 test it." in text
    assert "The backbone reads: a cup a shoe" in text


def test_so_many_as_are_asked_for_suffice(desk: Desk, tmp_path: Path) -> None:
    """The words above the boxes and the check below them mean the same number."""
    text = words(drawn(boxes, desk))
    assert "5 or more of each suffice: 4 are learned from, the others test it." in text
    lay_classes(desk, tmp_path, each=5)
    act(desk, "shots", shots="")
    assert act(desk, "class_next").errors == {}


def test_base_to_new_is_said_and_can_be_taken_back(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    assert "Base to new" not in words(drawn(boxes, desk))
    change(desk, lambda form: replace(form, base_to_new=True))
    said = words(drawn(boxes, desk))
    assert "the first half of the classes is learned, both halves test it. Learn all" in said
    assert act(desk, "class_whole").errors == {}
    assert "Base to new" not in words(drawn(boxes, desk))


def test_what_a_person_wrote_is_text(desk: Desk) -> None:
    left_out = (Finding(EVIL, "warn", EVIL),)
    evil = ClassForm((Box("1", EVIL, (), (), left_out), Box("2", EVIL)), said=(EVIL,), title=EVIL)
    desk.change(classes=evil, backbone=EVIL)
    html = boxes.render(desk, {"classes": EVIL, "class_name:1": EVIL, "box:2": EVIL, "clip": EVIL})
    Checked(html["html"])
    assert "<script" not in html["html"]


def test_a_box_of_many_is_folded_until_it_is_opened(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path, each=16)
    assert "+5" in words(drawn(boxes, desk))
    act(desk, "class_unfold", box="1", on=True)
    opened = drawn(boxes, desk)
    assert opened.count("data-sha256=") == 16 + 11
    assert "Show fewer pictures" in opened


def test_every_field_has_a_name_and_what_describes_it(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    page = Checked(drawn(boxes, desk))
    for name in ("aria-labelledby", "aria-describedby", "for"):
        for value in page.refer(name):
            assert set(value.split()) <= set(page.ids), value


def test_the_second_step_has_references_draws_and_no_prompts(desk: Desk, tmp_path: Path) -> None:
    text = words(drawn(methods, desk))
    assert "Zero-shot" in text
    assert "A straight line through the untouched features; outside the budget." in text
    assert "Draw and train" in text
    assert "Test prompts" not in text
    assert "Measure" not in text
    assert "Add pictures of two classes or more first." in text
    lay_classes(desk, tmp_path)
    text = words(drawn(methods, desk))
    assert "Start 9 runs" in text
    assert "40 steps, 2 pictures of each class" in text


def test_a_recipe_says_where_it_comes_from_and_has_its_own_budget(desk: Desk) -> None:
    act(desk, "clip", backbone="ViT-B-16/random")
    act(desk, "preset", preset="so-code")
    html = drawn(methods, desk)
    text = words(html)
    assert "6,084 trainable values" in text
    assert "SO as in its code" in text
    assert "To compare with: SO with its released code on ViT-B/16" in text
    data = methods.render(desk, {})["data"]
    assert data["budgets"][data["stop"]] == "6,084"
    act(desk, "preset", preset="so-paper")
    assert "61,296 trainable values" in words(drawn(methods, desk))
    act(desk, "preset", preset="clip-lora")
    assert "184,320 trainable values" in words(drawn(methods, desk))


def test_a_recipe_that_a_backbone_has_no_layers_for_leaves_the_others_to_choose(desk: Desk) -> None:
    act(desk, "clip", backbone="RN50/random")
    act(desk, "preset", preset="clip-lora")
    html = drawn(methods, desk)
    assert "convolutional network" in words(html)
    assert 'value="so-paper"' in html
    assert "Start" not in words(html)


def test_a_backbone_that_is_not_here_is_offered(desk: Desk) -> None:
    act(desk, "clip", backbone="ViT-L-14/openai")
    text = words(drawn(methods, desk))
    assert "CLIP ViT-L/14 (OpenAI) is not on this machine yet" in text
    assert "1.7 GB" in text
    assert "Download Choose another backbone" in text
