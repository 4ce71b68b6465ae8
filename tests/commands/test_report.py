"""`report`: the page of a finished comparison, from its folder alone."""

import errno
import json
import os
from pathlib import Path

import pytest

from sparse_peft import compare, files
from sparse_peft.__main__ import main
from sparse_peft.files import Disk
from tests import fake_classes
from tests.fake_outcome import Maker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    compare.write(tmp_path / "out", Maker(tmp_path / "runs").comparison(methods=("lora",)))
    return tmp_path / "out"


def test_the_page_is_the_one_that_compare_wrote(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "again.html"
    assert main(["report", "--comparison", str(folder), "--out", str(page)]) == 0
    assert page.read_bytes() == (folder / "index.html").read_bytes()


def test_a_few_shot_comparison_has_its_page_too(tmp_path: Path) -> None:
    maker = fake_classes.Maker(tmp_path / "runs", classes=3, each=8, seeds=(1,))
    compare.write(tmp_path / "out", maker.comparison(methods=("lora",)))
    page = tmp_path / "again.html"
    assert main(["report", "--comparison", str(tmp_path / "out"), "--out", str(page)]) == 0
    assert page.read_bytes() == (tmp_path / "out" / "index.html").read_bytes()


def test_an_existing_file_is_left_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "mine.html"
    page.write_text("mine")
    assert main(["report", "--comparison", str(folder), "--out", str(page)]) == 2
    assert "exists; name a new file." in capsys.readouterr().err
    assert page.read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"format": 2}, "has format 2"), ({"runs": None}, "is damaged")],
)
def test_what_is_no_comparison_is_refused_in_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    words: str,
) -> None:
    path = folder / "comparison.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    page = tmp_path / "new.html"
    assert main(["report", "--comparison", str(folder), "--out", str(page)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not page.exists()


@pytest.mark.parametrize(
    ("at", "value"),
    [(("noun",), None), (("versions",), "none"), (("runs", 0, "family"), "unheard of"),
     (("seeds",), []), (("runs", 0, "losses"), [1, 2]), (("runs", 0, "settings", "lr"), "small"),
     (("pictures",), ["comparison.json"]), (("seeds", 0), "<b>0</b>")],
)  # fmt: skip
def test_a_damaged_comparison_is_refused_whatever_is_wrong_with_it(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    at: tuple[str | int, ...],
    value: object,
) -> None:
    path = folder / "comparison.json"
    told = part = json.loads(path.read_text())
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = value
    path.write_text(json.dumps(told))
    page = tmp_path / "new.html"
    assert main(["report", "--comparison", str(folder), "--out", str(page)]) == 2
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert said.count("\n") == 1
    assert not page.exists()


def test_a_comparison_from_elsewhere_takes_no_file_of_this_machine_into_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("the key to everything")
    maker = fake_classes.Maker(tmp_path / "runs", classes=3, each=8, seeds=(1,))
    value = compare.write(tmp_path / "out", maker.comparison(methods=("lora",)))
    page, path = tmp_path / "again.html", tmp_path / "out" / "comparison.json"
    for away in ("../secret", str(tmp_path / "secret")):
        path.write_text(json.dumps(value | {"examples": {"0": away}, "names": {"0": "x"}}))
        assert main(["report", "--comparison", str(tmp_path / "out"), "--out", str(page)]) == 2
        assert "lies outside" in capsys.readouterr().err
        assert not page.exists()


def test_a_place_that_cannot_be_written_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file" / "r.html", tmp_path / "file" / "more" / "r.html"):
        assert main(["report", "--comparison", str(folder), "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert f"cannot be made: {tmp_path / 'file'} is a file." in said
        assert said.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_files_is_refused_though_it_lets_root_write(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in ("/proc/x/r.html", "/proc/r.html"):
        assert main(["report", "--comparison", str(folder), "--out", out]) == 2
        said = capsys.readouterr().err
        assert f"--out {out} cannot be made: /proc cannot be written (" in said
        assert said.count("\n") == 1


def test_a_disk_that_refuses_in_the_end_is_one_sentence(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class ReadOnly(Disk):
        def open(self, path: Path, flags: int) -> int:  # noqa: ARG002
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(files, "disk", ReadOnly())
    page = tmp_path / "r.html"
    assert main(["report", "--comparison", str(folder), "--out", str(page)]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"error: --out {page} could not be written (Read-only file system). Name another place.\n"
    )


def test_a_file_is_no_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    options = ["--comparison", str(tmp_path / "file"), "--out", str(tmp_path / "r.html")]
    assert main(["report", *options]) == 2
    assert "comparison.json cannot be read (Not a directory)." in capsys.readouterr().err
