"""Pictures come into boxes, stay there by content, and leave nothing behind when they go."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.errors import DataError
from sparse_peft.ui.classes import boxes
from sparse_peft.ui.classes.form import Box, BoxPicture, ClassForm
from sparse_peft.ui.desk.desk import Desk
from tests.ui.classes.own_classes import box_called, class_desk, draw_files, form_of


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with class_desk(tmp_path) as found:
        yield found


def files(desk: Desk) -> set[str]:
    return {path.name for path in desk.class_pictures.glob("*.png")}


def test_the_first_names_take_the_empty_boxes_and_the_next_gets_one_of_its_own(
    desk: Desk, tmp_path: Path
) -> None:
    for number, name in enumerate(("cup", "shoe", "hat")):
        boxes.add(desk, draw_files(tmp_path / name, 2, number), None, name)
    assert [(box.id, box.name) for box in form_of(desk).boxes] == [
        ("1", "cup"), ("2", "shoe"), ("3", "hat"),
    ]  # fmt: skip
    assert files(desk) == {picture.file for picture in form_of(desk).everything()}
    boxes.add(desk, draw_files(tmp_path / "more", 1, 9), None, "CUP")
    assert [len(box.pictures) for box in form_of(desk).boxes] == [3, 2, 2]


def test_a_picture_that_is_there_already_is_told_unless_it_is_the_same_file(
    desk: Desk, tmp_path: Path
) -> None:
    first = draw_files(tmp_path / "cup", 2)
    boxes.add(desk, first, "1")
    boxes.add(desk, first, "1")
    assert form_of(desk).boxes[0].left_out == ()
    copy = tmp_path / "copy.png"
    shutil.copyfile(first[0], copy)
    box = boxes.add(desk, [copy], "1")
    assert [str(each) for each in box.left_out] == ["copy.png: the same as 00.png, left out"]
    assert len(box.pictures) == 2


def test_a_test_picture_that_is_learned_from_is_left_out(desk: Desk, tmp_path: Path) -> None:
    first = draw_files(tmp_path / "cup", 3)
    boxes.add(desk, first[:2], "1")
    shutil.copyfile(first[0], tmp_path / "test.png")
    box = boxes.add(desk, [tmp_path / "test.png", first[2]], "1", test=True)
    assert [each.name for each in box.tests] == ["02.png"]
    assert [str(each) for each in box.left_out] == ["test.png: the same as 00.png, left out"]


def test_what_is_no_picture_is_left_out_and_named(desk: Desk, tmp_path: Path) -> None:
    bad = tmp_path / "<b>.png"
    bad.write_bytes(b"MZ" + bytes(100))
    box = boxes.add(desk, [bad, *draw_files(tmp_path / "cup", 1)], "1")
    assert len(box.pictures) == 1
    assert box.left_out[0].picture == "<b>.png"
    assert box.left_out[0].text.startswith("could not be read, left out")


def test_removing_deletes_what_no_box_has_any_more(desk: Desk, tmp_path: Path) -> None:
    same = draw_files(tmp_path / "cup", 2)
    boxes.add(desk, same, "1")
    boxes.add(desk, same[:1], "2")
    shared, alone = form_of(desk).boxes[0].pictures
    assert boxes.remove_picture(desk, "1", alone.sha256) == "01.png"
    assert files(desk) == {shared.file}
    boxes.remove_picture(desk, "1", shared.sha256)
    assert files(desk) == {shared.file}  # the other box has it
    with pytest.raises(DataError, match="not there any more"):
        boxes.remove_picture(desk, "1", shared.sha256)
    with pytest.raises(DataError, match="This class is not there any more"):
        boxes.add(desk, same, "17")


def test_too_many_boxes_and_too_many_pictures_are_refused_and_nothing_changes(desk: Desk) -> None:
    many = tuple(BoxPicture(f"{n}.png", f"{n:064x}") for n in range(boxes.MOST_PICTURES + 1))

    def full(form: ClassForm) -> ClassForm:
        return boxes.with_box(form, replace(form.boxes[0], pictures=many))

    with pytest.raises(DataError, match="2,001 pictures, at most 2,000"):
        boxes.change(desk, full)
    crowd = tuple(Box(str(n)) for n in range(boxes.MOST_BOXES + 1))
    with pytest.raises(DataError, match="51 classes, at most 50"):
        boxes.change(desk, lambda form: replace(form, boxes=crowd))
    assert form_of(desk) == ClassForm()


def test_the_subjects_form_knows_nothing_of_boxes(desk: Desk, tmp_path: Path) -> None:
    boxes.add(desk.turned_to("dreambooth"), draw_files(tmp_path / "cup", 1), None, "cup")
    assert len(box_called(desk, "cup").pictures) == 1
    assert desk.turned_to("dreambooth").draft.classes == ClassForm()
