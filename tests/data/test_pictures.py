"""A folder of pictures becomes clean PNGs and plain words."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from sparse_peft import tables
from sparse_peft.data import pictures
from sparse_peft.data.findings import Finding, stop_on
from sparse_peft.data.pictures import Opened, Picture, open_pictures
from sparse_peft.errors import DataError, SpecError
from tests.data import hostile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "clean").mkdir()
    return tmp_path / "clean"


def put(folder: Path, name: str, picture: Image.Image) -> None:
    picture.save(folder / name, quality=95)


def said(opened: Opened, severity: str) -> list[str]:
    return [str(finding) for finding in opened.findings if finding.severity == severity]


def test_good_pictures_pass_in_silence_and_are_named_by_their_content(
    folder: Path, into: Path
) -> None:
    for seed in range(3):
        put(folder, f"{seed}.jpg", hostile.scene(640, 480, seed))
    opened = open_pictures(folder, into)
    assert opened.findings == ()
    assert [picture.name for picture in opened.pictures] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [path.name for path in opened.files] == ["0.jpg", "1.jpg", "2.jpg"]
    for picture in opened.pictures:
        data = (into / picture.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == picture.sha256
        assert picture.file == picture.sha256[:16] + ".png"
        assert picture.crop == (80, 0, 560, 480)
    assert len(list(into.iterdir())) == 3


def test_the_same_folder_gives_the_same_answer(folder: Path, into: Path) -> None:
    for seed in range(2):
        put(folder, f"{seed}.jpg", hostile.scene(640, 480, seed))
    assert open_pictures(folder, into) == open_pictures(folder, into)


def test_content_decides_the_format_never_the_name(folder: Path, into: Path) -> None:
    (folder / "holiday.png").write_bytes(hostile.encoded(hostile.scene(640, 480), "JPEG"))
    (folder / "no-ending").write_bytes(hostile.encoded(hostile.scene(640, 480, 1), "WEBP"))
    (folder / "cat.jpg").write_text("I am no picture.")
    opened = open_pictures(folder, into)
    assert [picture.name for picture in opened.pictures] == ["holiday.png", "no-ending"]
    assert said(opened, "warn") == [
        "cat.jpg: could not be read, left out: it is text; use JPEG, PNG, WebP, BMP, GIF or HEIC."
    ]


def test_a_corpus_of_hostile_files_leaves_the_good_one(folder: Path, into: Path) -> None:
    for name, (make, _) in hostile.REFUSED.items():
        (folder / f"{name}.jpg").write_bytes(make())
    secret = folder.parent / "secret.jpg"
    put(folder.parent, secret.name, hostile.scene(640, 480, 5))
    (folder / "link.jpg").symlink_to(secret)
    put(folder, "good.jpg", hostile.scene(640, 480))
    opened = open_pictures(folder, into)
    assert [picture.name for picture in opened.pictures] == ["good.jpg"]
    left_out = {f.picture: f.text for f in opened.findings if f.picture is not None}
    assert left_out.keys() == {f"{name}.jpg" for name in hostile.REFUSED} | {"link.jpg"}
    assert "link out of the folder" in left_out["link.jpg"]
    for name, (_, words) in hostile.REFUSED.items():
        assert words in left_out[f"{name}.jpg"]
    here = {path.name for path in folder.parent.iterdir()}
    assert here == {"pictures", "clean", "secret.jpg"}
    assert [path.name for path in into.iterdir()] == [opened.pictures[0].file]


def test_checks_are_words_under_their_picture(folder: Path, into: Path) -> None:
    put(folder, "0.png", hostile.scene(640, 480))
    put(folder, "1.png", hostile.scene(640, 480).resize((320, 240)).resize((640, 480)))
    put(folder, "2.png", hostile.scene(240, 180, 2))
    blurred = hostile.scene(640, 480, 3).transpose(Image.Transpose.ROTATE_180)
    put(folder, "3.png", blurred.filter(ImageFilter.GaussianBlur(9)))
    (folder / "4.gif").write_bytes(hostile.animated("GIF"))
    (folder / "5.png").write_bytes((folder / "0.png").read_bytes())
    opened = open_pictures(folder, into)
    assert [(f.picture, f.severity, f.text) for f in opened.findings] == [
        ("1.png", "warn", "nearly the same as 1 (0.png)"),
        ("2.png", "warn", "small: 180 px, 256 wanted"),
        ("3.png", "warn", "blurry"),
        ("4.gif", "info", "animated: first frame used"),
        ("4.gif", "warn", "small: 96 px, 256 wanted"),
        ("5.png", "warn", "the same as 0.png, left out"),
    ]
    assert len(opened.pictures) == 5


def test_a_backbone_that_draws_small_wants_no_more(folder: Path, into: Path) -> None:
    for seed in range(2):
        put(folder, f"{seed}.png", hostile.scene(200, 160, seed))
    assert open_pictures(folder, into, wanted_side=128).findings == ()


def test_one_picture_works_with_a_warning(folder: Path, into: Path) -> None:
    put(folder, "only.jpg", hostile.scene(640, 480))
    opened = open_pictures(folder, into)
    assert len(opened.pictures) == 1
    assert said(opened, "warn") == [
        "One picture works, but every method will copy its background."
        " Two or three more help a lot."
    ]


def test_no_picture_stops(folder: Path, into: Path) -> None:
    (folder / "notes.txt").write_text("to do")
    assert said(open_pictures(folder, into), "stop") == [
        f"There are no pictures in {folder}; put 3 to 6 of one subject there"
        " (JPEG, PNG, WebP, BMP, GIF or HEIC)."
    ]
    (folder / "a.jpg").write_text("no picture")
    assert "The one file in" in said(open_pictures(folder, into), "stop")[0]
    (folder / "b.jpg").write_text("no picture either")
    assert "None of the 2 files in" in said(open_pictures(folder, into), "stop")[0]


def test_two_hundred_pictures_pass_and_one_more_stops_before_any_is_opened(
    folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        (folder / f"{number:03}.png").write_bytes(
            hostile.encoded(hostile.scene(64, 64, number), "PNG")
        )
    assert len(open_pictures(folder, into, wanted_side=64).pictures) == 200
    put(folder, "200.png", hostile.scene(64, 64, 200))
    monkeypatch.setattr(pictures, "Sandbox", None)  # calling it would fail
    opened = open_pictures(folder, into)
    assert opened.pictures == ()
    assert said(opened, "stop") == [
        f"There are 201 files in {folder}, at most 200 are allowed;"
        " 3 to 6 good pictures are enough."
    ]


def test_too_many_bytes_stop_together_and_are_left_out_alone(folder: Path, into: Path) -> None:
    put(folder, "good.jpg", hostile.scene(640, 480))
    with (folder / "big.jpg").open("wb") as file:
        file.truncate(26 * 2**20)
    opened = open_pictures(folder, into)
    assert said(opened, "warn")[0] == (
        "big.jpg: could not be read, left out: it has 26 MB, at most 25 MB are allowed;"
        " make it smaller."
    )
    for number in range(12):
        with (folder / f"{number}.jpg").open("wb") as file:
            file.truncate(24 * 2**20)
    assert (
        "have 314 MB together, at most 300 MB are allowed"
        in said(open_pictures(folder, into), "stop")[0]
    )


def test_files_chosen_one_by_one_are_opened_too(folder: Path, into: Path) -> None:
    put(folder, "a.jpg", hostile.scene(640, 480))
    opened = open_pictures([folder / "a.jpg", folder / "gone.jpg"], into)
    assert [picture.name for picture in opened.pictures] == ["a.jpg"]
    assert "gone.jpg: could not be read, left out: it cannot be opened" in said(opened, "warn")[0]


def test_a_name_is_one_printable_line(folder: Path, into: Path) -> None:
    put(folder, "a\nb\x1b[31m.jpg", hostile.scene(640, 480))
    put(folder, "x" * 200 + ".jpg", hostile.scene(640, 480, 1))
    names = [picture.name for picture in open_pictures(folder, into).pictures]
    assert names == ["a?b?[31m.jpg", "x" * 57 + "..."]


def test_stops_are_raised_together_and_warnings_are_not() -> None:
    stop_on([Finding(None, "warn", "mind")])
    with pytest.raises(DataError, match=r"^first\na\.jpg: second$"):
        stop_on([Finding(None, "stop", "first"), Finding("a.jpg", "stop", "second")])


def test_what_was_said_of_single_pictures_is_the_reason_for_a_stop() -> None:
    with pytest.raises(DataError, match=r"^none\nb.jpg: torn$"):
        stop_on([Finding("b.jpg", "warn", "torn"), Finding(None, "stop", "none")])


def test_a_picture_survives_a_round_trip_through_json() -> None:
    picture = Picture("a.jpg", "0" * 64, 20, 10, (3, 0, 13, 10), "on the grass")
    table = json.loads(json.dumps(tables.table(picture)))
    assert tables.build(Picture, table, "data.json") == picture


@pytest.mark.parametrize(
    ("sha256", "crop"),
    [
        ("../../../etc/passwd", (0, 0, 10, 10)),
        ("0" * 64, (0, 0, 11, 11)),
        ("0" * 64, (-1, 0, 9, 10)),
        ("0" * 64, (0, 0, 10, 9)),
        ("0" * 64, (5, 5, 5, 5)),
    ],
)
def test_a_picture_that_points_elsewhere_is_refused(
    sha256: str, crop: tuple[int, int, int, int]
) -> None:
    with pytest.raises(SpecError):
        Picture("a.jpg", sha256, 20, 10, crop)
