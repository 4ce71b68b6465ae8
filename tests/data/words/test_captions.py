"""Captions from one file, or from text files beside the pictures."""

from pathlib import Path

import pytest

from sparse_peft.data.words.captions import read_captions, read_sidecars
from sparse_peft.errors import DataError

PICTURES = ("00.jpg", "01.jpg", "my, cat.jpg")


def captions(tmp_path: Path, text: str | bytes) -> dict[str, str]:
    path = tmp_path / "captions.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_captions(path, PICTURES)


@pytest.mark.parametrize(
    "text",
    [
        "00.jpg,on the grass\n01.jpg,in the snow\n",
        "00.jpg\ton the grass\n\n01.jpg\tin the snow",
        "file_name,text\r\n00.jpg, on the grass\r\n01.jpg,in the snow\r\nmy,\r\n"[:-5],
        "\ufefffile_name,text\n00.jpg,on the grass\n01.jpg,in the snow\n",
        '00.jpg,on the grass\n01.jpg,"in the snow"\n"my, cat.jpg",\n',
    ],
)
def test_a_captions_file_is_read_in_its_usual_forms(tmp_path: Path, text: str) -> None:
    assert captions(tmp_path, text) == {"00.jpg": "on the grass", "01.jpg": "in the snow"}


def test_a_caption_may_hold_commas(tmp_path: Path) -> None:
    assert captions(tmp_path, "00.jpg,on the grass, at night") == {
        "00.jpg": "on the grass, at night"
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("00.jpg,x\n1.jpg,y", r"line 2 names '1\.jpg', which is not in the folder\. Did you mean"),
        ("zzzzzz,y", r"line 1 names 'zzzzzz'.*Write the name of a file that is there"),
        ("00.jpg,x\n00.jpg,y", r"line 2 names '00\.jpg' a second time"),
        ("00.jpg on the grass", r"line 1 has no comma or tab; write: 00\.jpg,on the grass"),
        ('00.jpg,"on the grass', r"line 1 has unbalanced quotes"),
        ("00.jpg," + "x" * 301, r"line 1 has 301 characters, at most 300"),
        ("00.jpg,a\x1b[31mb", r"line 1 has line breaks or control characters"),
        (b"00.jpg,\xff\xfe", r"is not text in UTF-8"),
        (b"00.jpg,\0", r"is not a text file"),
        (b"x" * (2**20 + 1), r"is larger than 1 MB"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        captions(tmp_path, text)


def test_a_captions_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\)"):
        read_captions(tmp_path / "captions.csv", PICTURES)


def test_sidecars_are_read_as_kohya_has_them(tmp_path: Path) -> None:
    (tmp_path / "00.txt").write_text("on the grass\n")
    (tmp_path / "02.txt").write_text("\n")
    (tmp_path / "licence.txt").write_text("CC BY 4.0")
    pictures = [tmp_path / name for name in ("00.jpg", "01.jpg", "02.jpg")]
    assert read_sidecars(pictures) == {"00.jpg": "on the grass"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("one\ntwo", "line breaks"),
        ("x" * 301, "301 characters"),
        ("x" * 5000, r"it has 4\.9 kB, at most 4 kB"),
    ],
)
def test_a_sidecar_that_is_no_caption_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "00.txt").write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        read_sidecars([tmp_path / "00.jpg"])
    assert "00.txt" in str(caught.value)


def test_a_picture_whose_sidecar_no_disk_could_hold_has_none(tmp_path: Path) -> None:
    assert read_sidecars([tmp_path / ("x" * 254)]) == {}


def test_a_sidecar_that_links_out_of_the_folder_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "00.txt").symlink_to("../secret")
    with pytest.raises(DataError, match="link out of the folder"):
        read_sidecars([tmp_path / "pictures" / "00.jpg"])
