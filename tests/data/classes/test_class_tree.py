"""A folder is walked by name, and no link leads out of it."""

from pathlib import Path

import pytest

from sparse_peft.data.classes import tree as class_tree
from sparse_peft.data.classes.tree import Tree, folder_tree
from sparse_peft.data.findings import UnreadableError
from sparse_peft.errors import DataError


def grown(folder: Path, *names: str) -> Path:
    """A folder with files of these names, each holding its own name; a name with / at its end is a
    folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return folder


def drawn(tree: Tree) -> dict[str, object]:
    """Its names, as nested dictionaries; a file is its content."""
    folders = {name: drawn(inside) for name, inside in tree.folders.items()}
    return folders | {name: read().decode() for name, read in tree.files.items()}


def test_names_come_in_order_and_contents_when_asked(tmp_path: Path) -> None:
    tree = folder_tree(grown(tmp_path, "b/2.jpg", "b/1.jpg", "a/1.jpg", "c/"))
    assert drawn(tree) == {"a": {"1.jpg": "a/1.jpg"}, "b": {"1.jpg": "b/1.jpg", "2.jpg": "b/2.jpg"},
                           "c": {}}  # fmt: skip
    assert list(tree.folders) == ["a", "b", "c"]
    assert list(tree.folders["b"].files) == ["1.jpg", "2.jpg"]
    assert (tree.has_files(), tree.folders["c"].has_files()) == (True, False)


def test_hidden_files_and_what_systems_leave_behind_are_passed_over(tmp_path: Path) -> None:
    grown(tmp_path, ".DS_Store", "a/.hidden.jpg", "a/Thumbs.db", "a/1.TXT", "__MACOSX/a/1.jpg",
          ".git/x.jpg", "a/1.jpg", "classes.csv")  # fmt: skip
    assert drawn(folder_tree(tmp_path)) == {"a": {"1.jpg": "a/1.jpg"}}


def test_what_lies_too_deep_is_not_walked(tmp_path: Path) -> None:
    tree = folder_tree(grown(tmp_path, "train/a/x/1.jpg", "train/a/x/y/z/1.jpg"))
    assert drawn(tree) == {"train": {"a": {"x": {"1.jpg": "train/a/x/1.jpg"}}}}


def test_links_out_of_the_folder_are_left_out_and_named(tmp_path: Path) -> None:
    outside = grown(tmp_path / "outside", "1.jpg")
    folder = grown(tmp_path / "in", "a/1.jpg")
    (folder / "b").symlink_to(outside)
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "a" / "2.jpg").symlink_to(outside / "1.jpg")
    (folder / "c").symlink_to("a")
    tree = folder_tree(folder)
    assert list(tree.folders) == ["a", "c"]
    assert [str(finding) for finding in tree.findings] == [
        "loop: it is a link out of the folder, left out; copy the folder itself here",
        "b: it is a link out of the folder, left out; copy the folder itself here",
        "loop: it is a link out of the folder, left out; copy the folder itself here",
    ]
    assert tree.folders["c"].files["1.jpg"]() == b"a/1.jpg"
    with pytest.raises(UnreadableError, match="a link out of the folder"):
        tree.folders["a"].files["2.jpg"]()


def test_a_link_to_itself_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    folder = grown(tmp_path, "a/1.jpg")
    (folder / "a" / "2.jpg").symlink_to("2.jpg")
    tree = folder_tree(folder)
    assert list(tree.folders["a"].files) == ["1.jpg", "2.jpg"]
    with pytest.raises(UnreadableError, match="it cannot be opened"):
        tree.folders["a"].files["2.jpg"]()


def test_too_many_files_are_refused_while_walking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_tree, "MOST_FILES", 3)
    assert folder_tree(grown(tmp_path, "a/1.jpg", "a/2.jpg")).has_files()
    with pytest.raises(DataError, match="There are more than 3 files in"):
        folder_tree(grown(tmp_path, "a/3.jpg"))


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing does not exist; give a folder of class folders"):
        folder_tree(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be opened"):
        folder_tree(grown(tmp_path, "file") / "file")
