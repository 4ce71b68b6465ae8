"""Pictures of two classes that look nearly the same are named; drawings are not taken for it."""

from pathlib import Path

from PIL import Image, ImageEnhance

from sparse_peft.ui.classes import alike, boxes
from tests.ui.classes.own_classes import class_desk, draw_files, form_of


def test_a_brighter_copy_in_another_class_is_told_and_others_are_not(tmp_path: Path) -> None:
    with class_desk(tmp_path) as desk:
        cups = draw_files(tmp_path / "cup", 3)
        brighter = tmp_path / "brighter.png"
        with Image.open(cups[1]) as picture:
            ImageEnhance.Brightness(picture).enhance(1.1).save(brighter)
        boxes.add(desk, cups, None, "cup")
        boxes.add(desk, [brighter, *draw_files(tmp_path / "shoe", 2, 1)], None, "shoe")
        form = form_of(desk)
        sha256 = form.boxes[1].pictures[0].sha256
        said = alike.in_two_classes(desk.class_pictures, form)
        assert said == {("2", sha256): "nearly the same as 01.png in cup"}
