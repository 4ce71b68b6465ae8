"""Class folders become boxes: from a ZIP, from the example, and from a set used before."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparse_peft.data.labelled import DATA_FILE
from sparse_peft.errors import DataError, SpecError
from sparse_peft.ui.classes import boxes, counting, folders
from sparse_peft.ui.classes.form import SHOTS
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.panels.classes.boxes import board as panel
from tests.ui.boards import drawn as drawn_board
from tests.ui.boards import words
from tests.ui.classes.own_classes import act, class_desk, draw_files, form_of, lay_classes


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with class_desk(tmp_path) as found:
        yield found


def pack(path: Path, tree: dict[str, list[Path]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for folder, files in tree.items():
            for file in files:
                archive.write(file, f"{folder}/{file.name}")
    return path


def test_a_zip_with_train_and_test_keeps_them_apart(desk: Desk, tmp_path: Path) -> None:
    drawn = {
        f"{split}/{name}": draw_files(tmp_path / split / name, 3, seed)
        for seed, (split, name) in enumerate(
            [(s, n) for s in ("train", "test") for n in ("red_cup", "hat")]
        )
    }
    folders.add_archive(desk, pack(tmp_path / "my things.zip", drawn))
    form = form_of(desk)
    found = [(box.name, len(box.pictures), len(box.tests)) for box in form.boxes]
    assert sorted(found) == [("hat", 3, 3), ("red cup", 3, 3)]
    assert form.title == "my things"
    assert {path.name for path in desk.class_pictures.iterdir()} == {
        picture.file for picture in form.everything()
    }


def test_a_zip_is_added_to_what_is_there(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    more = {"cup": draw_files(tmp_path / "m", 2, 7), "hat": draw_files(tmp_path / "n", 2, 8)}
    folders.add_archive(desk, pack(tmp_path / "more.zip", more))
    found = {box.name: len(box.pictures) for box in form_of(desk).boxes}
    assert found == {"cup": 8, "shoe": 6, "hat": 2}
    assert form_of(desk).title == ""


def test_two_zips_are_named_after_both(desk: Desk, tmp_path: Path) -> None:
    for number, name in enumerate(("birds", "fish", "fish")):
        drawn = {
            f"{name} {kind}": draw_files(tmp_path / f"{number}{kind}", 2, 2 * number + kind)
            for kind in (0, 1)
        }
        folders.add_archive(desk, pack(tmp_path / f"{name}.zip", drawn))
    assert form_of(desk).title == "birds + fish"
    act(desk, "class_clear")
    folders.add_archive(desk, tmp_path / "birds.zip")
    assert form_of(desk).title == "birds"


def test_small_pictures_are_told_for_the_backbone_of_the_moment(desk: Desk, tmp_path: Path) -> None:
    drawn = {name: draw_files(tmp_path / name, 2, seed) for seed, name in enumerate(("hat", "cup"))}
    folders.add_archive(desk, pack(tmp_path / "things.zip", drawn))
    form = form_of(desk)
    assert not any("smaller" in said for said in form.said)  # of this ZIP alone
    [said] = counting.checks(form, desk.class_pictures, 60).notes
    assert said == (
        "4 of 4 pictures are smaller than the 60 px that the backbone sees (the smallest has"
        " 24 px); they are enlarged."
    )
    assert counting.checks(form, desk.class_pictures, 24).notes == ()
    assert said in words(drawn_board(panel, desk))
    act(desk, "clip", backbone="ViT-B-16/openai")
    assert "smaller than the 224 px" in words(drawn_board(panel, desk))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"x" * 1000])
def test_what_is_no_zip_is_told_without_a_folder_of_this_machine(
    desk: Desk, tmp_path: Path, content: bytes
) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(content)
    with pytest.raises(DataError) as told:
        folders.add_archive(desk, bad)
    assert "bad.zip" in str(told.value)
    assert str(tmp_path) not in str(told.value)


def test_a_name_that_leads_out_of_the_zip_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    [picture] = draw_files(tmp_path / "p", 1)
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(picture, "../../out/evil.png")
        archive.write(picture, "cup/a.png")
    with pytest.raises(DataError):
        folders.add_archive(desk, path)
    assert not (tmp_path / "out").exists()
    assert not desk.class_pictures.exists()


@pytest.mark.slow
def test_the_example_fills_the_page(desk: Desk) -> None:
    assert act(desk, "class_example").said == "10 classes with 400 pictures."
    form = form_of(desk)
    assert {len(box.pictures) for box in form.boxes} == {16}
    assert {len(box.tests) for box in form.boxes} == {24}
    assert not any(counting.checks(form, desk.class_pictures, 0).pictures)


def test_a_set_that_was_used_is_laid_out_again(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    boxes.add(desk, draw_files(tmp_path / "t", 2, 9), "1", test=True)
    before = form_of(desk)
    labelled = counting.labelled_of(before)
    labelled.save(desk.class_pictures, desk.home / "data" / desk.owner)
    [kept] = folders.kept(desk)
    assert (kept.id, kept.classes, kept.pictures) == (labelled.id, ("cup", "shoe"), 14)
    act(desk, "class_clear")
    assert act(desk, "class_reuse", dataset=kept.id).errors == {}
    assert counting.labelled_of(form_of(desk)) == labelled
    assert replace(form_of(desk), title="") == replace(before, title="", shots=SHOTS)


def test_damaged_sets_and_subjects_are_passed_over(desk: Desk) -> None:
    for name, text in {"a": "{", "b": "{}", "c": '{"kind": "labelled", "root": null}'}.items():
        folder = desk.home / "data" / desk.owner / name
        folder.mkdir(parents=True)
        (folder / DATA_FILE).write_text(text)
    assert folders.kept(desk) == []


def test_a_set_in_place_is_for_the_command_line(desk: Desk, tmp_path: Path) -> None:
    lay_classes(desk, tmp_path)
    labelled = counting.labelled_of(form_of(desk))
    there = tuple(replace(p, sha256="") for p in labelled.pictures)
    inside = replace(labelled, pictures=there, root=str(desk.class_pictures))
    folder = inside.save(desk.class_pictures, desk.home / "data" / desk.owner)
    with pytest.raises(SpecError, match="Use the command line"):
        folders.put_kept(desk, folder)
