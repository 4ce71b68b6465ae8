"""A ZIP is read without being unpacked, and one that was made to do harm is refused."""

import io
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from test_class_tree import drawn

from sparse_peft.data.classes import archive as class_archive
from sparse_peft.data.classes.archive import MOST_DIRECTORY_BYTES, archive_tree
from sparse_peft.data.classes.tree import MOST_BYTES
from sparse_peft.data.findings import UnreadableError
from sparse_peft.errors import DataError


def packed(path: Path, *names: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP with files of these names, each holding its own name."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, b"" if name.endswith("/") else name.encode())
    return path


def contents(path: Path) -> dict[str, object]:
    with archive_tree(path) as tree:
        return drawn(tree)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught, archive_tree(path):
        pass
    return str(caught.value)


def unreadable(path: Path) -> str:
    with archive_tree(path) as tree, pytest.raises(UnreadableError) as caught:
        tree.folders["a"].files["1.jpg"]()
    return str(caught.value)


def patched(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fruit.zip"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_names_come_in_order_and_contents_when_asked(path: Path, method: int) -> None:
    packed(path, "b/1.jpg", "a/2.jpg", "a/1.jpg", "c/", method=method)
    assert contents(path) == {
        "a": {"1.jpg": "a/1.jpg", "2.jpg": "a/2.jpg"}, "b": {"1.jpg": "b/1.jpg"}, "c": {}
    }  # fmt: skip


def test_a_single_folder_at_the_top_is_passed_through(path: Path) -> None:
    packed(path, "my/fruit/a/1.jpg", "my/fruit/b/1.jpg", "__MACOSX/my/fruit/a/._1.jpg")
    assert list(contents(path)) == ["a", "b"]
    packed(path, "fruit/a/1.jpg", "fruit/c/")
    assert list(contents(path)) == ["a", "c"]


def test_a_single_class_is_not_passed_through(path: Path) -> None:
    assert contents(packed(path, "a/1.jpg")) == {"a": {"1.jpg": "a/1.jpg"}}


def test_hidden_files_and_sidecars_are_passed_over(path: Path) -> None:
    packed(path, "a/1.jpg", "a/.DS_Store", ".hidden/1.jpg", "__MACOSX/a/1.jpg", "a/1.txt", "b/")
    assert contents(path) == {"a": {"1.jpg": "a/1.jpg"}, "b": {}}


def test_names_of_windows_are_understood(path: Path) -> None:
    packed(path, "a|1.jpg", "b|1.jpg")
    assert list(contents(patched(path, b"|", b"\\"))) == ["a", "b"]


@pytest.mark.parametrize("name", ["../../evil.jpg", "/etc/passwd", "a/../../x.jpg", "C:/x.jpg"])
def test_a_name_that_leads_out_refuses_the_archive(path: Path, name: str) -> None:
    assert refusal(packed(path, "a/1.jpg", name)) == (
        f"{path} holds {name!r}, which leads out of the archive; pack the folder again."
    )
    assert list(path.parent.iterdir()) == [path]


def test_links_are_left_out_and_named(path: Path) -> None:
    packed(path, "a/1.jpg", "b/1.jpg")
    link = zipfile.ZipInfo("a/2.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with archive_tree(path) as tree:
        assert list(tree.folders["a"].files) == ["1.jpg"]
        assert [finding.text for finding in tree.findings] == [
            f"Links in {path} are left out (a/2.jpg)."
        ]


def test_an_encrypted_archive_is_refused(path: Path) -> None:
    packed(path, "a/1.jpg")
    flags = struct.pack("<HH", 0, zipfile.ZIP_DEFLATED)
    patched(path, flags, struct.pack("<HH", 1, zipfile.ZIP_DEFLATED))
    assert refusal(path) == f"{path} is encrypted; pack the folder again without a password."


def test_too_many_files_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(path, *(f"a/{number}.jpg" for number in range(11)))
    monkeypatch.setattr(class_archive, "MOST_FILES", 10)
    assert refusal(path) == f"There are more than 10 files in {path}; pack fewer."


def test_an_endless_list_of_names_is_never_taken_in(path: Path) -> None:
    packed(path, "a/1.jpg")
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06")
    size = MOST_DIRECTORY_BYTES + 1
    end = data[at : at + 8] + struct.pack("<HHII", 1, 1, size, at) + data[at + 20 :]
    with path.open("wb") as file:
        file.write(data[:at])
        file.seek(size, io.SEEK_CUR)  # a hole: nothing on the disk
        file.write(end)
    tracemalloc.start()
    try:
        assert "There are more than 50,000 files in" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_too_much_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_archive, "MOST_BYTES_TOGETHER", 3 * 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"a/{number}.jpg", bytes(2**20))
    assert path.stat().st_size < 10_000
    assert refusal(path) == (
        f"{path} unpacks to 4 MB, at most 3 MB are allowed; pack fewer or smaller pictures."
    )


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.jpg", bytes(MOST_BYTES + 1))
    tracemalloc.start()
    try:
        assert unreadable(path) == "it has 25 MB, at most 25 MB are allowed; make it smaller"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_file_larger_than_it_says_is_damaged(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.jpg", bytes(3_000_001))
    patched(path, struct.pack("<I", 3_000_001), struct.pack("<I", 1000))
    assert unreadable(path) == "it is damaged in the archive; pack it again"


def test_another_compression_is_left_out(path: Path) -> None:
    packed(path, "a/1.jpg", method=zipfile.ZIP_LZMA)
    assert unreadable(path).startswith("it is packed in a way that is not opened here")


@pytest.mark.parametrize("damaged", [b"", b"no ZIP" * 99, b"PK\x05\x06" + b"\xff" * 18])
def test_a_damaged_archive_is_refused(path: Path, damaged: bytes) -> None:
    path.write_bytes(damaged)
    assert refusal(path) == f"{path} is damaged or no ZIP; pack the folder again."


def test_an_archive_that_is_cut_off_is_refused(path: Path) -> None:
    path.write_bytes(packed(path, "a/1.jpg").read_bytes()[:-5])
    assert "is damaged or no ZIP" in refusal(path)


def test_a_picture_as_large_as_allowed_is_read(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a/1.jpg", bytes(MOST_BYTES))
    with archive_tree(path) as tree:
        assert len(tree.folders["a"].files["1.jpg"]()) == MOST_BYTES
