"""The first step: pictures come in and go, their checks follow them, words are kept."""

import itertools
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFilter

from sparse_peft.data import pictures as data_pictures
from sparse_peft.data.subject import Subject
from sparse_peft.errors import DataError
from sparse_peft.ui.clicks import gathering, starting
from sparse_peft.ui.clicks.actions import Answer, perform
from sparse_peft.ui.desk import row
from sparse_peft.ui.desk.desk import Desk, Studio
from tests.data import hostile

OWNER = "o0123456789abcdef"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_uploads = itertools.count()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Studio(tmp_path / "home"), OWNER)


def scene(seed: int, width: int = 320, height: int = 240) -> bytes:
    return hostile.encoded(hostile.scene(width, height, seed), "PNG")


def upload(desk: Desk, *files: tuple[str, bytes]) -> None:
    """As the shell does: each file below a folder of its own."""
    paths = []
    for name, data in files:
        path = desk.home.parent / "uploads" / str(next(_uploads)) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        paths.append(path)
    gathering.add(desk, paths)


def do(desk: Desk, what: str, **asked: Any) -> Answer:
    return perform(gathering.ACTIONS, desk, {"do": what, **asked})


def row_of(desk: Desk) -> list[str]:
    return [picture.name for picture in desk.draft.pictures]


def said(desk: Desk) -> dict[str, list[str]]:
    """What stands under each picture."""
    checks = row.checks(desk.draft)
    return {name: [each.text for each in found] for name, found in checks.items() if found}


def left_out(desk: Desk) -> list[str]:
    return [str(finding) for finding in row.left_out_of(desk.draft)]


def files_of(desk: Desk) -> set[str]:
    return {path.name for path in desk.pictures.iterdir()}


def test_uploads_add_to_the_row_in_order(desk: Desk) -> None:
    upload(desk, ("b.png", scene(0)), ("a.png", scene(1)))
    upload(desk, ("c.png", scene(2)))
    assert row_of(desk) == ["a.png", "b.png", "c.png"]
    assert desk.draft.offered == 3
    assert said(desk) == {}
    assert files_of(desk) == {picture.file for picture in desk.draft.pictures}


def test_likeness_is_found_over_old_and_new_and_renumbered(desk: Desk) -> None:
    upload(desk, ("far.png", scene(0)), ("near.png", scene(1)))
    smaller = hostile.scene(320, 240, 1).resize((280, 210))
    upload(desk, ("again.png", hostile.encoded(smaller, "PNG")))
    assert said(desk) == {"again.png": ["nearly the same as 2"]}
    do(desk, "remove", picture="far.png")
    assert said(desk) == {"again.png": ["nearly the same as 1"]}
    do(desk, "remove", picture="near.png")
    assert said(desk) == {}


def test_checks_stand_under_the_picture_they_belong_to(desk: Desk) -> None:
    blurred = hostile.scene(320, 240, 3).filter(ImageFilter.GaussianBlur(9))
    upload(
        desk,
        ("moved.jpg", hostile.encoded(blurred, "JPEG")),
        ("walk.gif", hostile.animated("GIF")),
        ("turned.heic", hostile.HEIC.read_bytes()),
        ("good.png", scene(4)),
    )
    assert said(desk) == {"moved.jpg": ["blurry"], "walk.gif": ["animated: first frame used"]}
    turned = next(each for each in desk.draft.pictures if each.name == "turned.heic")
    assert turned.height > turned.width


def test_a_warning_of_size_follows_the_backbone_and_the_square(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0, 600, 520)), ("b.png", scene(1)))
    do(desk, "backbone", backbone=SD15)
    assert said(desk) == {"b.png": ["small: 240 px, 512 wanted"]}
    do(desk, "move", picture="a.png", left=0, top=0, side=300)
    assert said(desk)["a.png"] == ["small: 300 px, 512 wanted"]
    do(desk, "backbone", backbone="builtin")
    assert said(desk) == {}


def test_files_that_cannot_be_used_are_named_and_can_be_forgotten(desk: Desk) -> None:
    upload(desk, ("letter.jpg", b"I am no picture.\n" * 20), ("good.png", scene(0)))
    assert row_of(desk) == ["good.png"]
    assert left_out(desk) == [
        "letter.jpg: could not be read, left out: it is text;"
        " use JPEG, PNG, WebP, BMP, GIF or HEIC."
    ]
    assert gathering.count_line(desk.draft).startswith("1 of 2 pictures are ready. Next works;")
    do(desk, "remove", picture="letter.jpg")
    assert left_out(desk) == []
    assert gathering.count_line(desk.draft) == "1 of 1 picture is ready."


def test_an_upload_of_nothing_usable_says_so_without_a_picture(desk: Desk) -> None:
    upload(desk, ("letter.jpg", b"I am no picture.\n" * 20))
    assert desk.draft.pictures == ()
    assert len(left_out(desk)) == 1
    assert gathering.count_line(desk.draft) == "0 of 1 picture is ready."


def test_pictures_of_one_name_are_told_apart(desk: Desk) -> None:
    """A phone calls each of its pictures image.jpg."""
    upload(desk, ("image.jpg", scene(0)), ("image.jpg", b"text " * 20), ("image.jpg", scene(1)))
    upload(desk, ("image.jpg", scene(2)))
    assert set(row_of(desk)) == {"image.jpg", "image (3).jpg", "image (4).jpg"}
    assert [line.split(":")[0] for line in left_out(desk)] == ["image (2).jpg"]


def test_long_names_stay_apart(desk: Desk) -> None:
    name = "x" * 90 + ".png"
    upload(desk, (name, scene(0)))
    upload(desk, (name, scene(1)))
    assert len(set(row_of(desk))) == 2


def test_the_same_picture_under_another_name_is_left_out(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)))
    upload(desk, ("b.png", scene(0)))
    assert left_out(desk) == ["b.png: the same as a.png, left out"]
    assert desk.draft.offered == 2


def test_an_upload_tried_again_changes_nothing(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)), ("walk.gif", hostile.animated("GIF")))
    before = desk.draft
    upload(desk, ("a.png", scene(0)), ("walk.gif", hostile.animated("GIF")))
    assert desk.draft == before


def test_more_pictures_than_allowed_are_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row, "MOST_PICTURES", 2)
    upload(desk, ("a.png", scene(0)))
    with pytest.raises(DataError, match="These would be 3 pictures, at most 2 are allowed"):
        upload(desk, ("b.png", scene(1)), ("c.png", scene(2)))
    assert row_of(desk) == ["a.png"]


def test_files_too_large_together_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_pictures, "MOST_BYTES_TOGETHER", 1000)
    with pytest.raises(DataError, match="together, at most 1 kB are allowed"):
        upload(desk, ("a.png", scene(0)), ("b.png", scene(1)))


def test_two_tabs_upload_at_once_and_nothing_is_lost(desk: Desk) -> None:
    tabs = [
        threading.Thread(target=upload, args=(desk, (f"{seed}.png", scene(seed))))
        for seed in range(4)
    ]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert sorted(row_of(desk)) == [f"{seed}.png" for seed in range(4)]
    assert files_of(desk) == {picture.file for picture in desk.draft.pictures}
    assert desk.draft.offered == 4


def test_a_removed_picture_leaves_no_file(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)), ("b.png", scene(1)))
    answer = do(desk, "remove", picture="a.png")
    assert answer.said == "a.png removed. 1 of 1 picture is ready."
    assert files_of(desk) == {desk.draft.pictures[0].file}
    again = do(desk, "remove", picture="a.png")
    assert again.errors == {"pictures": "a.png is not there any more. Load the page again."}


def test_a_square_moves_inside_its_picture_only(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)))
    assert do(desk, "move", picture="a.png", left=10, top=20, side=200).errors == {}
    assert desk.draft.pictures[0].crop == (10, 20, 210, 220)
    for left, top, side, words in [
        (200, 0, 200, "not a square inside 320 x 240 pixels"),
        (-1, 0, 100, "not a square inside 320 x 240 pixels"),
        (0, 0, 63, "The square has 63 px; use 64 or more."),
    ]:
        answer = do(desk, "move", picture="a.png", left=left, top=top, side=side)
        assert words in answer.errors["picture:a.png"]
    assert desk.draft.pictures[0].crop == (10, 20, 210, 220)


def test_captions_are_kept_and_refused_under_their_picture(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)), ("b.png", scene(1)))
    do(desk, "caption", picture="b.png", text=" on the grass ")
    assert [each.caption for each in desk.draft.pictures] == [None, "on the grass"]
    answer = do(desk, "caption", picture="b.png", text="x" * 301)
    assert answer.errors == {
        "picture:b.png": "The caption has 301 characters, at most 300 are allowed; shorten it."
    }
    do(desk, "caption", picture="b.png", text="")
    assert desk.draft.pictures[1].caption is None


def test_the_sentence_is_the_one_that_is_trained_with(desk: Desk) -> None:
    assert gathering.reading(desk) == ("sks", "")
    upload(desk, ("a.png", scene(0)), ("b.png", scene(1)))
    do(desk, "noun", noun=" dog ")
    assert gathering.reading(desk) == ("sks", "a sks dog")
    do(desk, "caption", picture="b.png", text="on the grass")
    assert gathering.reading(desk) == ("sks", "a sks dog on the grass")
    do(desk, "caption", picture="a.png", text="a plush sks")
    token, sentence = gathering.reading(desk)
    assert (token, sentence) == ("zwx", "a zwx dog a plush sks")
    subject = starting.subject_of(desk)
    assert (subject.token, subject.training_prompts()[0]) == (token, sentence)


def test_the_token_can_be_changed_and_given_back(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)))
    do(desk, "noun", noun="dog")
    do(desk, "token", token="qjx7")
    assert gathering.reading(desk) == ("qjx7", "a qjx7 dog")
    answer = do(desk, "token", token="Bad Word")
    assert answer.errors["token"].startswith("The token 'Bad Word' cannot be used:")
    do(desk, "token", token=" ")
    assert desk.draft.token is None


def test_a_noun_that_is_no_word_is_refused_at_its_field(desk: Desk) -> None:
    assert do(desk, "noun", noun="otter").errors == {}
    assert desk.draft.noun == "otter"
    answer = do(desk, "noun", noun="<b>")
    assert answer.errors["noun"].startswith("The noun '<b>' cannot be used:")
    assert desk.draft.noun == "otter"
    do(desk, "noun", noun="")
    assert desk.draft.noun == ""


@pytest.mark.parametrize("name", gathering.EXAMPLE_NAMES)
def test_an_example_fills_the_page_and_keeps_nothing_of_the_old(desk: Desk, name: str) -> None:
    upload(desk, ("mine.png", scene(0)), ("letter.jpg", b"text " * 20))
    do(desk, "token", token="qjx7")
    answer = do(desk, "example", name=name)
    draft = desk.draft
    assert (len(draft.pictures), draft.offered, draft.noun, draft.token) == (5, 5, name, None)
    assert all(picture.caption for picture in draft.pictures)
    assert draft.findings == ()
    assert answer.said == "5 of 5 pictures are ready."
    assert files_of(desk) == {picture.file for picture in draft.pictures}


def keep(desk: Desk, noun: str = "dog", token: str | None = None) -> str:
    """Save what is on the desk as Start does, and give its id."""
    do(desk, "noun", noun=noun)
    do(desk, "token", token=token or "")
    subject = starting.subject_of(desk)
    return subject.save(desk.pictures, desk.home / "data" / desk.owner).name


def test_a_data_set_is_used_again_as_it_was(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)), ("b.png", scene(1)))
    do(desk, "caption", picture="b.png", text="on the grass")
    do(desk, "move", picture="a.png", left=5, top=5, side=100)
    kept = keep(desk, token="qjx7")
    do(desk, "clear")
    assert (desk.draft.pictures, desk.draft.noun, files_of(desk)) == ((), "", set())
    assert [each.id for each in gathering.kept(desk)] == [kept]
    assert do(desk, "reuse", dataset=kept).errors == {}
    assert starting.subject_of(desk).id == kept


def test_a_data_set_used_again_is_checked_again(desk: Desk) -> None:
    blurred = hostile.scene(320, 240, 3).filter(ImageFilter.GaussianBlur(9))
    upload(desk, ("a.png", scene(0)), ("moved.png", hostile.encoded(blurred, "PNG")))
    kept = keep(desk)
    do(desk, "clear")
    do(desk, "reuse", dataset=kept)
    assert said(desk) == {"moved.png": ["blurry"]}


def test_nobody_uses_the_data_set_of_another(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)))
    kept = keep(desk)
    other = replace(desk, owner="ofedcba9876543210")
    assert gathering.kept(other) == []
    for name in (kept, f"../{OWNER}/{kept}", f"../../owners/{OWNER}", "", "."):
        answer = do(other, "reuse", dataset=name)
        assert answer.errors == {
            "pictures": "These pictures are not there any more. Load the page again."
        }
    assert other.draft.pictures == ()


def test_a_damaged_data_set_is_not_offered(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)))
    kept = keep(desk)
    path = desk.home / "data" / OWNER / kept / "data.json"
    table = json.loads(path.read_text())
    del table["noun"]
    path.write_text(json.dumps(table))
    assert gathering.kept(desk) == []


def test_a_hub_id_is_taken_without_a_download(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the page downloads")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    for backbone in (SD15, "me/model@v1", "builtin"):
        assert do(desk, "backbone", backbone=f" {backbone} ").errors == {}
        assert desk.draft.backbone == backbone


def test_a_folder_is_a_backbone_on_ones_own_computer_only(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    assert do(desk, "backbone", backbone=str(folder)).errors == {}
    assert desk.draft.backbone == str(folder)
    upload(desk, ("a.png", scene(0)))
    assert said(desk) == {"a.png": ["small: 240 px, 512 wanted"]}
    shared = replace(desk, studio=replace(desk.studio, place="server"), owner="ofedcba9876543210")
    for name in (str(folder), "../model", "~", "model"):
        answer = do(shared, "backbone", backbone=name)
        assert answer.errors["backbone"].startswith("Give a hub id such as owner/name.")
    assert shared.draft.backbone == "builtin"


@pytest.mark.parametrize("name", ["", "nowhere", "/etc/passwd", "/etc"])
def test_what_is_no_backbone_is_a_sentence_at_its_field(desk: Desk, name: str) -> None:
    answer = do(desk, "backbone", backbone=name)
    assert list(answer.errors) == ["backbone"]
    assert "--" not in answer.errors["backbone"]
    assert desk.draft.backbone == "builtin"


def test_next_goes_on_once_there_are_a_picture_and_a_noun(desk: Desk) -> None:
    answer = do(desk, "next")
    assert answer.tab is None
    assert answer.errors == {
        "pictures": "Add at least one picture first; 3 to 6 are best.",
        "noun": "Say what it is first, in a word such as dog.",
    }
    upload(desk, ("a.png", scene(0)))
    assert list(do(desk, "next", noun="").errors) == ["noun"]
    assert list(do(desk, "next", noun="<b>").errors) == ["noun"]
    answer = do(desk, "next", noun="dog")
    assert (answer.tab, answer.errors, desk.draft.noun) == ("methods", {}, "dog")


def test_only_the_last_of_several_uploads_is_spoken_of(desk: Desk) -> None:
    upload(desk, ("a.png", scene(0)))
    assert do(desk, "look_pictures", last=False).said == ""
    assert do(desk, "look_pictures").said == "1 of 1 picture is ready."


@pytest.mark.parametrize(
    "asked",
    [
        {"do": "remove"},
        {"do": "move", "picture": "a.png", "left": "0", "top": 0, "side": 100},
        {"do": "move", "picture": "a.png", "left": 0, "top": 0, "side": 1e9},
        {"do": "caption", "picture": "nobody.png", "text": "x"},
        {"do": "caption", "picture": "a.png", "text": "two\nlines"},
        {"do": "example", "name": "../cat"},
        {"do": "clear", "everything": True},
        {"do": "token", "token": None},
    ],
    ids=lambda asked: "-".join(map(str, asked.values())),
)
def test_what_a_browser_makes_up_changes_nothing(desk: Desk, asked: dict[str, Any]) -> None:
    upload(desk, ("a.png", scene(0)))
    before = desk.draft
    answer = perform(gathering.ACTIONS, desk, asked)
    assert answer.errors
    assert desk.draft == before


def test_a_change_of_words_in_another_tab_survives_an_upload(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row's fields alone are written back."""
    opened = row.open_pictures

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        do(desk, "noun", noun="dog")
        return opened(*args, **kwargs)

    monkeypatch.setattr(row, "open_pictures", meanwhile)
    upload(desk, ("a.png", scene(0)))
    assert (desk.draft.noun, row_of(desk)) == ("dog", ["a.png"])


def test_the_row_holds_what_subject_would_open(desk: Desk, tmp_path: Path) -> None:
    """The page and the command line see the same pictures and the same squares."""
    folder, into = tmp_path / "folder", tmp_path / "into"
    folder.mkdir()
    into.mkdir()
    for seed in range(3):
        hostile.scene(400, 300, seed).save(folder / f"{seed}.png")
    subject, _ = Subject.from_folder(folder, "dog", into)
    gathering.add(desk, sorted(folder.iterdir()))
    do(desk, "noun", noun="dog")
    assert starting.subject_of(desk) == subject
