"""A CSV or TSV names pictures beside it and their classes; what is wrong is said with its line."""

from pathlib import Path

import pytest
from test_class_tree import grown

from sparse_peft.data.classes import table as class_table
from sparse_peft.data.classes.table import offer_of_table
from sparse_peft.data.findings import UnreadableError
from sparse_peft.errors import DataError


def table(folder: Path, text: str, name: str = "classes.csv") -> Path:
    grown(folder, "x/1.jpg", "x/2.jpg", "3.jpg")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(path: Path) -> list[tuple[str, str, str]]:
    return [(entry.folder, entry.split, entry.name) for entry in offer_of_table(path).entries]


POOL = [("pear", "pool", "3.jpg"), ("red apple", "pool", "x/1.jpg")]


@pytest.mark.parametrize(
    "text",
    [
        "x/1.jpg,red apple\n3.jpg,pear\n",
        "file,label\nx/1.jpg,red apple\n3.jpg,pear\n",
        "\ufefffile;label\r\nx/1.jpg;red apple\r\n\r\n3.jpg;pear\r\n",
        "x/1.jpg\tred apple\n3.jpg\tpear",
        'Class,Id,FileName\n"red apple",7,"x/1.jpg"\npear,8,./3.jpg\n',
        "x\\1.jpg,red apple\n3.jpg,pear\n",
    ],
    ids=["plain", "headings", "Excel", "tabs", "own order", "Windows"],
)
def test_the_forms_that_people_have_are_read(tmp_path: Path, text: str) -> None:
    assert rows(table(tmp_path, text)) == POOL


def test_a_third_column_is_the_split(tmp_path: Path) -> None:
    offer = offer_of_table(table(tmp_path, "3.jpg,b,TEST\nx/2.jpg,b,train\nx/1.jpg,a,validation\n"))
    assert offer.folders == {"train": ("b",), "val": ("a",), "test": ("b",)}
    assert [entry.split for entry in offer.entries] == ["val", "test", "train"]
    assert offer.entries[2].read() == b"x/2.jpg"


def test_a_class_of_one_letter_case_is_a_class_of_its_own_here(tmp_path: Path) -> None:
    assert offer_of_table(table(tmp_path, "x/1.jpg,a\nx/2.jpg,A\n")).folders == {"pool": ("A", "a")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no picture; write: pictures/01.jpg,red apple"),
        ("file,label\n", "names no picture"),
        ("file,name\nx/1.jpg,a\n", "has no column 'label'; name one, or write:"),
        ("x/1.jpg\n", "line 1 lacks a file or a label; write:"),
        ("x/1.jpg,a\n3.jpg,\n", "line 2 lacks a file or a label"),
        ("x/1.jpg,a\n\n4.jpg,b\n5.jpg,b", "line 3 names '4.jpg', which is not there, and 1 more."),
        ("x/1.jpg,a\nx/../x/1.jpg,b\n", "line 2 names 'x/1.jpg' a second time; keep one line."),
        ("../1.jpg,a\n", "line 1 names '../1.jpg', which is outside the table's folder"),
        ("/etc/passwd,a\n", "line 1 names '/etc/passwd', which is outside the table's folder"),
        ('x/1.jpg,"a\n3.jpg,b\n', "has unbalanced quotes; write:"),
        ("x/1.jpg,a,dev\n", "line 1 has the split 'dev'; write train, val or test."),
        ("x/1.jpg,a,train\n3.jpg,a,\n", "line 2 has no split, and others have; write train, val"),
        ("x/1.jpg,a,train\n3.jpg,b,val\n", "has splits, but none of its lines is test; add some."),
        ("x/1.jpg,a,test\n", "has splits, but none of its lines is train; add some."),
        (f"{'x' * 3000},a\n", f"line 1 names '{'x' * 57}...', which is not there."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(DataError) as caught:
        offer_of_table(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not text in UTF-8"):
        offer_of_table(path)
    with pytest.raises(DataError, match=r"nothing.csv cannot be used: it cannot be opened"):
        offer_of_table(tmp_path / "nothing.csv")


def test_too_many_lines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_table, "MOST_PICTURES", 2)
    path = table(tmp_path, "x/1.jpg,a\nx/2.jpg,a\n3.jpg,b\n")
    with pytest.raises(DataError, match="names 3 pictures, at most 2 are allowed; name fewer"):
        offer_of_table(path)


def test_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    outside = grown(tmp_path / "outside", "1.jpg")
    path = table(tmp_path / "in", "link/1.jpg,a\n3.jpg,b\n")
    (tmp_path / "in" / "link").symlink_to(outside)
    first, second = offer_of_table(path).entries
    assert second.read() == b"3.jpg"
    with pytest.raises(UnreadableError, match="it is a link out of the folder"):
        first.read()
