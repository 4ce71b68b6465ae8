"""A subject is made from a folder, named by its content, saved whole and loaded unchanged."""

import dataclasses
import json
from pathlib import Path

import pytest

from sparse_peft.data.subject import Subject
from sparse_peft.errors import DataError, SpecError
from sparse_peft.files import verify_folder
from tests.data import hostile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        hostile.scene(640, 480, seed).save(folder / f"{seed:02}.jpg", quality=95)
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "clean").mkdir()
    return tmp_path / "clean"


def test_a_folder_and_a_noun_are_enough(folder: Path, into: Path) -> None:
    subject, findings = Subject.from_folder(folder, "cat", into)
    assert findings == ()
    assert (subject.noun, subject.token, len(subject.pictures)) == ("cat", "sks", 3)
    assert subject.training_prompts() == ("a sks cat",) * 3


def test_captions_beside_the_pictures_follow_the_subject(folder: Path, into: Path) -> None:
    (folder / "00.txt").write_text("on the grass\n")
    (folder / "01.txt").write_text("a photo of a sks cat in the snow")
    subject, _ = Subject.from_folder(folder, "cat", into, token="sks")
    assert subject.training_prompts() == (
        "a sks cat on the grass",
        "a photo of a sks cat in the snow",
        "a sks cat",
    )


def test_a_captions_file_takes_the_place_of_those_beside(folder: Path, into: Path) -> None:
    (folder / "00.txt").write_text("on the grass")
    (folder / "03.jpg").write_text("no picture")
    captions = folder / "captions.csv"
    captions.write_text("01.jpg,in the snow\n03.jpg,of a picture that is left out\n")
    subject, _ = Subject.from_folder(folder, "cat", into, captions=captions)
    assert [picture.caption for picture in subject.pictures] == [None, "in the snow", None]


def test_a_token_with_a_vowel_in_front_reads_well(folder: Path, into: Path) -> None:
    subject, _ = Subject.from_folder(folder, "cat", into, token="ohwx")
    assert subject.training_prompts()[0] == "an ohwx cat"


def test_the_chosen_token_is_in_none_of_the_words_at_hand(folder: Path, into: Path) -> None:
    (folder / "00.txt").write_text("beside a zwx")
    subject, _ = Subject.from_folder(folder, "cat", into, prompts=["a {subject} and a sks"])
    assert subject.token == "vfk"


def test_warnings_come_with_the_subject(folder: Path, into: Path) -> None:
    subject, findings = Subject.from_folder(
        folder, "otter", into, token="snow", known_nouns={"cat", "dog"}, wanted_side=512
    )
    assert subject.token == "snow"
    assert [finding.severity for finding in findings] == ["warn"] * 5
    said = [str(finding) for finding in findings]
    assert said[0].startswith("The backbone has not seen 'otter'.")
    assert said[1].startswith("The token 'snow' is a word")
    assert said[2] == "00.jpg: small: 480 px, 512 wanted"


def test_everything_that_stops_is_said_before_a_picture_is_opened(
    tmp_path: Path, into: Path
) -> None:
    with pytest.raises(DataError) as caught:
        Subject.from_folder(tmp_path / "nothing", "", into, token="my cat")
    assert [line.split(" cannot")[0] for line in str(caught.value).splitlines()] == [
        "The noun ''",
        "The token 'my cat'",
    ]


def test_a_folder_without_pictures_stops(tmp_path: Path, into: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="There are no pictures in"):
        Subject.from_folder(tmp_path / "empty", "cat", into)
    assert list(into.iterdir()) == []


def test_saved_and_loaded_it_is_the_same(folder: Path, into: Path, tmp_path: Path) -> None:
    (folder / "00.txt").write_text("on the grass")
    subject, _ = Subject.from_folder(folder, "cat", into)
    saved = subject.save(into, tmp_path / "data")
    assert saved == tmp_path / "data" / subject.id
    assert {path.name for path in saved.iterdir()} == {
        "data.json", "manifest.json", *(picture.file for picture in subject.pictures)
    }  # fmt: skip
    verify_folder(saved)
    assert Subject.load(saved) == subject


def test_the_id_follows_from_the_content(folder: Path, into: Path) -> None:
    subject, _ = Subject.from_folder(folder, "cat", into)
    again, _ = Subject.from_folder(folder, "cat", into)
    moved = dataclasses.replace(subject.pictures[0], crop=(0, 0, 480, 480))
    others = (
        dataclasses.replace(subject, token="zwx"),
        dataclasses.replace(subject, pictures=(moved, *subject.pictures[1:])),
    )
    assert subject.id == again.id
    assert subject.id.startswith("cat-")
    assert len({subject.id, *(other.id for other in others)}) == 3


def test_saving_twice_writes_once_and_mends_what_is_damaged(
    folder: Path, into: Path, tmp_path: Path
) -> None:
    subject, _ = Subject.from_folder(folder, "cat", into)
    saved = subject.save(into, tmp_path / "data")
    before = saved.stat().st_ino
    assert subject.save(into, tmp_path / "data").stat().st_ino == before
    (saved / subject.pictures[0].file).write_bytes(b"damage")
    assert subject.save(into, tmp_path / "data").stat().st_ino != before
    assert Subject.load(saved) == subject


def test_nothing_is_half_saved(folder: Path, into: Path, tmp_path: Path) -> None:
    subject, _ = Subject.from_folder(folder, "cat", into)
    (into / subject.pictures[2].file).unlink()
    with pytest.raises(FileNotFoundError):
        subject.save(into, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"other"])
def test_a_damaged_picture_is_noticed(
    folder: Path, into: Path, tmp_path: Path, damage: bytes
) -> None:
    subject, _ = Subject.from_folder(folder, "cat", into)
    saved = subject.save(into, tmp_path / "data")
    (saved / subject.pictures[1].file).write_bytes(damage)
    with pytest.raises(DataError, match=f"{subject.pictures[1].file} is missing or damaged"):
        Subject.load(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "is of another format; expected 1"),
        ({"pictures": []}, "a subject needs at least one picture"),
        ({"color": "red"}, "unknown setting 'color'"),
        ({"token": "{0}"}, "The token '{0}' cannot be used"),
    ],
)
def test_a_data_file_that_was_changed_is_refused(
    folder: Path, into: Path, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    subject, _ = Subject.from_folder(folder, "cat", into)
    path = subject.save(into, tmp_path / "data") / "data.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((DataError, SpecError)) as caught:
        Subject.load(path.parent)
    assert words in str(caught.value)
