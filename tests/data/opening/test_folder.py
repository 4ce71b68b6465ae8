"""What a folder offers, and what is never read from it."""

import os
from pathlib import Path

import pytest

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.folder import listing, read_inside
from sparse_peft.errors import DataError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"x")


def refusal(path: Path, most_bytes: int = 100) -> str:
    with pytest.raises(UnreadableError) as caught:
        read_inside(path, most_bytes)
    return str(caught.value)


def test_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path, "b.jpg", "a.png", "C.heic")
    assert [path.name for path in listing(tmp_path).files] == ["C.heic", "a.png", "b.jpg"]


def test_files_that_were_chosen_one_by_one_come_in_that_order_too(tmp_path: Path) -> None:
    chosen = [tmp_path / "x" / "b.jpg", tmp_path / "y" / "a.jpg"]
    assert [path.name for path in listing(chosen).files] == ["a.jpg", "b.jpg"]


def test_hidden_files_and_sidecars_are_passed_over_in_silence(tmp_path: Path) -> None:
    fill(tmp_path, ".DS_Store", "00.txt", "metadata.CSV", "IMG_1.AAE", "Thumbs.db", "00.jpg")
    found = listing(tmp_path)
    assert [path.name for path in found.files] == ["00.jpg"]
    assert found.findings == ()


def test_subfolders_are_ignored_with_a_note(tmp_path: Path) -> None:
    for name in ("old", "raw"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, "00.jpg")
    found = listing(tmp_path)
    assert found.files == ()
    assert [(finding.severity, finding.text) for finding in found.findings] == [
        ("info", "Subfolders are ignored (old, raw); pictures are taken from the folder itself.")
    ]


def test_no_folder_and_a_file_for_a_folder_are_said(tmp_path: Path) -> None:
    fill(tmp_path, "cat.jpg")
    with pytest.raises(DataError, match=r"nothing does not exist; give a folder with 3 to 6"):
        listing(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"cat\.jpg is a file; give the folder"):
        listing(tmp_path / "cat.jpg")


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(tmp_path: Path) -> None:
    inside = tmp_path / "pictures"
    inside.mkdir()
    fill(tmp_path, "secret.jpg")
    fill(inside, "a.jpg")
    (inside / "out.jpg").symlink_to("../secret.jpg")
    (inside / "far.jpg").symlink_to("/etc/passwd")
    (inside / "in.jpg").symlink_to("a.jpg")
    assert "link out of the folder" in refusal(inside / "out.jpg")
    assert "link out of the folder" in refusal(inside / "far.jpg")
    assert read_inside(inside / "in.jpg", 100) == b"x"


def test_a_linked_folder_is_the_person_s_choice(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    fill(tmp_path / "real", "a.jpg")
    (tmp_path / "linked").symlink_to("real")
    assert read_inside(tmp_path / "linked" / "a.jpg", 100) == b"x"


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "gone.jpg").symlink_to("nothing.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert refusal(tmp_path / "pipe.jpg") == "it is not a file"
    for name in ("loop.jpg", "gone.jpg", "folder.jpg", "never.jpg"):
        assert "cannot be opened" in refusal(tmp_path / name)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big.jpg").open("wb") as file:
        file.truncate(40 * 2**20)
    assert refusal(tmp_path / "big.jpg", 25 * 2**20) == (
        "it has 40 MB, at most 25 MB are allowed; make it smaller"
    )
