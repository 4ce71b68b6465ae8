"""The command line as a whole: where runs are kept, what it says, how it ends."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_peft import __main__, commands
from sparse_peft.__main__ import default_home, main
from sparse_peft.errors import DataError
from sparse_peft.runs import database

REPOSITORY = Path(__file__).parents[1]
Capture = pytest.CaptureFixture[str]


def run(
    *arguments: str, cwd: Path = REPOSITORY, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sparse_peft", *arguments], capture_output=True, text=True, cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "darwin", reason="the folders of Linux")
@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({"STUDIO_HOME": "/a/b", "XDG_DATA_HOME": "/x"}, Path("/a/b")),
        ({"STUDIO_HOME": "", "XDG_DATA_HOME": "/x"}, Path("/x/sparse-peft-studio")),
        ({}, Path.home() / ".local/share/sparse-peft-studio"),
    ],
)
def test_studio_home_wins_then_the_users_data_folder(
    environment: dict[str, str], home: Path
) -> None:
    assert default_home(environment) == home


def test_the_home_may_be_relative_and_the_argument_wins(tmp_path: Path) -> None:
    said = run("runs", cwd=tmp_path, STUDIO_HOME="a").stdout
    assert said == f"There are no runs in {tmp_path / 'a'}.\n"
    said = run("runs", "--home", "b", cwd=tmp_path, STUDIO_HOME="a").stdout
    assert said == f"There are no runs in {tmp_path / 'b'}.\n"


def test_nothing_is_made_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert run("runs", cwd=tmp_path / "here", STUDIO_HOME=str(tmp_path / "home")).returncode == 0
    assert list((tmp_path / "here").iterdir()) == []


def test_without_a_command_the_help_is_printed() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m sparse_peft [-h] COMMAND")
    for command in ("methods", "presets", "doctor", "runs", "resume", "cancel", "compare"):
        assert f"    {command} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compar"], "invalid choice: 'compar' (choose from "),
        (["compare"], "the following arguments are required: --out. See: "),
        (["cancel"], "the following arguments are required: RUN. See: python -m sparse_peft can"),
        (["methods", "--jsn"], "unrecognized arguments: --jsn. See: python -m sparse_peft --help"),
        (["methods", "--home", "x"], "unrecognized arguments: --home x"),
        (["runs", "--home", ""], "argument --home: it is empty; name a file or a folder. See: "),
        (
            ["report", "--comparison", "x", "--out", "y" * 256],
            "'yyyyyyyyyyyyyyyyyyyy...' is longer",
        ),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(
    capsys: Capture, arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert words in said.err
    assert said.err.count("\n") == 1


def test_a_mistake_of_several_sentences_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(options: object) -> int:
        raise DataError(f"{options.__class__.__name__} one.\nTwo  spaces.")

    monkeypatch.setattr(commands.listing, "_methods", refuse)
    assert main(["methods"]) == 2
    assert capsys.readouterr().err == "error: Namespace one. Two  spaces.\n"


def test_ctrl_c_is_exit_130(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt(options)

    monkeypatch.setattr(commands.listing, "_methods", interrupted)
    assert main(["methods"]) == __main__.EXIT_INTERRUPTED == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options: object) -> int:
        raise KeyError(options)

    monkeypatch.setattr(commands.listing, "_methods", broken)
    with pytest.raises(KeyError):
        main(["methods"])


def test_a_reader_that_has_read_enough_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "sparse_peft", "presets"], stdout=writer, stderr=subprocess.PIPE,
        text=True, cwd=REPOSITORY, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("home", ["file", "file/below"])
def test_a_home_that_cannot_be_made_is_refused_in_words(
    tmp_path: Path, capsys: Capture, home: str
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["runs", "--home", str(tmp_path / home)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --home {tmp_path / home} cannot be made (")
    assert said.endswith("Name a folder that can be written, with --home or STUDIO_HOME.\n")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_store_that_cannot_be_written_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert main(["runs", "--home", str(tmp_path)]) == 0
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.01)
    other = sqlite3.connect(tmp_path / "studio.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert main(["runs", "--home", str(tmp_path)]) == 2
    other.close()
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'studio.db'} could not be used: database is locked")
    assert said.count("\n") == 1
