"""`compare` before any work begins: what is refused, in which words, and what is left behind."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from sparse_peft import files
from sparse_peft.__main__ import main
from sparse_peft.commands import compare
from sparse_peft.files import Disk
from sparse_peft.runs.store import Store
from tests.planned import write_preset

from .desk import Desk

Capture = pytest.CaptureFixture[str]


def refused(desk: Desk, capsys: Capture, **changes: object) -> str:
    """The one line that is said; the rest is the same for every mistake."""
    before = sorted(desk.out.rglob("*")) if desk.out.exists() else None
    assert main(desk.options(**changes)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert (sorted(desk.out.rglob("*")) if desk.out.exists() else None) == before
    assert desk.left() == []
    assert desk.plans() == []
    return said.err.removeprefix("error: ").rstrip("\n")


# Pictures ---------------------------------------------------------------------------------------


def test_an_empty_folder_is_refused(desk: Desk, capsys: Capture) -> None:
    (desk.root / "empty").mkdir()
    said = refused(desk, capsys, pictures="empty")
    assert said.startswith("There are no pictures in empty; put 3 to 6 of one subject there (JPEG")


def test_201_pictures_are_refused(desk: Desk, capsys: Capture) -> None:
    for number in range(198):
        shutil.copy(desk.root / "pictures/0.png", desk.root / f"pictures/more{number}.png")
    said = refused(desk, capsys)
    assert said == (
        "There are 201 files in pictures, at most 200 are allowed; 3 to 6 good pictures are enough."
    )


def test_text_called_jpg_is_refused(desk: Desk, capsys: Capture) -> None:
    (desk.root / "texts").mkdir()
    (desk.root / "texts/a.jpg").write_text("hello")
    said = refused(desk, capsys, pictures="texts")
    assert said.startswith("The one file in texts cannot be used")
    assert "put 3 to 6 pictures there (JPEG" in said


def test_a_folder_that_is_not_there_is_refused(desk: Desk, capsys: Capture) -> None:
    said = refused(desk, capsys, pictures="nowhere")
    assert said == "nowhere does not exist; give a folder with 3 to 6 pictures."
    assert "is a file; give the folder" in refused(desk, capsys, pictures="prompts.txt")


def test_one_picture_is_a_warning(desk: Desk, capsys: Capture) -> None:
    for name in ("1.png", "2.png"):
        (desk.root / "pictures" / name).unlink()
    comparison, _ = compare._submitted(desk.parsed())
    said = capsys.readouterr().err
    assert "One picture works, but every method will copy its background." in said
    with Store(desk.home) as store:
        assert store.comparisons() == [comparison]


# Words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n\n# nothing\n"])
def test_a_file_without_prompts_is_refused(desk: Desk, capsys: Capture, text: str) -> None:
    (desk.root / "none.txt").write_text(text)
    said = refused(desk, capsys, prompts="none.txt")
    assert said == "none.txt has no prompts; write one a line, such as: a {subject} in the snow"


@pytest.mark.parametrize("option", ["prompts", "captions"])
def test_a_file_that_is_not_there_is_refused(desk: Desk, capsys: Capture, option: str) -> None:
    said = refused(desk, capsys, **{option: "nowhere.txt"})
    assert said == "nowhere.txt cannot be read (No such file or directory); give a text file."


def test_a_token_that_is_a_word_and_a_noun_that_is_unknown_are_warnings(
    desk: Desk, capsys: Capture
) -> None:
    compare._submitted(desk.parsed(token="dog", noun="zebra"))
    said = capsys.readouterr().err
    assert "The token 'dog' is a word that the backbone may know already" in said
    assert "The backbone has not seen 'zebra'." in said
    assert "Known: apple, " in said
    assert 'The backbone reads: "a dog zebra"' in said
    (content,) = desk.plans()
    assert (content.shared.token, content.shared.noun) == ("dog", "zebra")


def test_warnings_are_not_said_beside_a_mistake(desk: Desk, capsys: Capture) -> None:
    said = refused(desk, capsys, token="dog", noun="zebra", budget=0)
    assert said.startswith("--budget is 0; ")


def test_a_token_or_a_noun_that_cannot_be_used_is_refused(desk: Desk, capsys: Capture) -> None:
    assert refused(desk, capsys, token="A B").startswith("The token 'A B' cannot be used: it takes")
    assert refused(desk, capsys, noun="").startswith("The noun '' cannot be used: it says what")


# Numbers and names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 0}, "--budget is 0; use 1 or more trainable values, such as 18816"),
        ({"budget": 10**12}, "--budget 1000000000000 is more than the 1622016 weights that may"),
        ({"budget": 55}, "waveft (56 at least), lora (18816 at least), so (56 at least). Use"),
        ({"steps": 0}, "--steps is 0; use 1 or more."),
        ({"seed": -1}, "--seed is -1; use 0 to 2147483647."),
        ({"train_seeds": 0}, "--train-seeds is 0; use 1 to 100."),
        ({"methods": "wavft"}, "unknown method 'wavft'. Did you mean 'waveft'? Known: adalora, f"),
        ({"methods": "lora,so,lora"}, "--methods names lora twice; name each once."),
        ({"methods": ""}, "--methods is empty; name at least one, such as waveft,lora,so."),
        ({"methods": ","}, "--methods is empty; name at least one, such as waveft,lora,so."),
        ({"preset": "quik"}, "unknown preset 'quik'. Did you mean 'quick'? For dreambooth on"),
        ({"preset": "none.toml"}, "--preset none.toml does not exist. Name a file such as those"),
        ({"backbone": "nothing"}, "no such folder, and not a hub id. Use builtin, a diffusers f"),
        ({"backbone": "./nothing"}, "--backbone './nothing': no such folder, and not a hub id."),
        ({"backbone": "pictures"}, "pictures has no model_index.json, so it is not a diffusers f"),
        ({"backbone": "tiny.toml"}, "--backbone tiny.toml is a file. Use builtin, a diffusers fo"),
    ],
)
def test_what_cannot_be_is_refused(
    desk: Desk, capsys: Capture, changes: dict[str, object], words: str
) -> None:
    assert words in refused(desk, capsys, **changes)


def test_an_unknown_setting_of_a_preset_is_refused(desk: Desk, capsys: Capture) -> None:
    write_preset(desk.root / "tiny.toml", ("lora_ranks", "lora_rank"))
    said = refused(desk, capsys)
    assert said == "tiny.toml: unknown setting 'lora_rank'. Did you mean 'lora_ranks'?"


def test_a_number_that_is_none_is_refused(desk: Desk, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main(desk.options(budget="2k"))
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "error: argument --budget: '2k' is not a whole number. "
        "See: python -m sparse_peft compare --help\n"
    )


# --out ------------------------------------------------------------------------------------------


def test_an_out_folder_in_use_is_refused_and_kept(desk: Desk, capsys: Capture) -> None:
    desk.out.mkdir()
    (desk.out / "letter.txt").write_text("mine")
    said = refused(desk, capsys)
    assert "is not empty: it holds other files. Name a new or an empty folder" in said
    assert (desk.out / "letter.txt").read_text() == "mine"


def test_an_out_that_is_a_file_or_below_one_is_refused(desk: Desk, capsys: Capture) -> None:
    assert "is a file. Name a new" in refused(desk, capsys, out="prompts.txt")
    said = refused(desk, capsys, out="prompts.txt/deep/out")
    assert said.endswith("prompts.txt is a file. Name another folder.")


def test_an_out_that_holds_the_home_is_refused(desk: Desk, capsys: Capture) -> None:
    assert "holds the home folder" in refused(desk, capsys, out="home")
    assert "holds the home folder" in refused(desk, capsys, out=".")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files")
def test_an_out_that_cannot_be_made_is_refused_before_any_training(
    desk: Desk, capsys: Capture
) -> None:
    said = refused(desk, capsys, out="/proc/out")
    assert "--out /proc/out cannot be made: /proc cannot be written (" in said


@pytest.mark.skipif(not Path("/dev/shm").is_mount(), reason="needs a mount point")
def test_an_out_that_cannot_be_replaced_is_refused(desk: Desk, capsys: Capture) -> None:
    said = refused(desk, capsys, out="/dev/shm")
    assert said.endswith("Name a folder inside it, such as /dev/shm/comparison.")


# The disk ---------------------------------------------------------------------------------------


class FullDisk(Disk):
    """No room from the n-th write on."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)


def test_a_full_disk_is_one_line_whenever_it_fills_up(
    desk: Desk, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for writes in range(9):  # pictures, data.json, the note, run.json of each, comparison.json
        monkeypatch.setattr(files, "disk", FullDisk(writes))
        assert main(desk.options()) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("error: ")
        assert "could not be written: No space left on device." in said
        assert "Free some space" in said
        assert desk.plans() == []
    monkeypatch.setattr(files, "disk", Disk())
    compare._submitted(desk.parsed())
    assert len(desk.plans()) == 1


def test_pictures_and_a_noun_are_asked_for_by_name(desk: Desk, capsys: Capture) -> None:
    for name in ("pictures", "noun"):
        words = [word for word in desk.options() if not word.startswith(f"--{name}=")]
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said == f"error: --{name} is missing; --task dreambooth needs it.\n"
