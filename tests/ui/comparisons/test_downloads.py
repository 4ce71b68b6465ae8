"""What is taken away: each thing whole, of the right type and name, its owner's alone."""

import csv
import io
import json
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from sparse_peft.errors import RunError
from sparse_peft.ui.comparisons import downloads, live
from sparse_peft.ui.desk.desk import Desk
from tests.ui.kept import OTHER, folders, keep

EVERYTHING = ("grid.png", "report.html", "comparison.json", "pictures.csv", "adapters.zip")


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Desk, str]:
    return keep(tmp_path)


def content(made: downloads.Download) -> bytes:
    return made[0].read_bytes() if isinstance(made[0], Path) else made[0]


def test_the_numbers_are_those_of_the_page(kept: tuple[Desk, str]) -> None:
    made = downloads.make(*kept, "comparison.json")
    assert made[1:] == ("application/json", "cat-18816-values.json")
    assert json.loads(content(made)) == live.comparison_of(*kept)


def test_the_table_has_a_row_for_each_picture(kept: tuple[Desk, str]) -> None:
    made = downloads.make(*kept, "pictures.csv")
    assert made[1:] == ("text/csv", "cat-18816-values.csv")
    assert len(list(csv.DictReader(io.StringIO(content(made).decode())))) == 3 * 4 + 3 * 3


def test_the_grid_is_a_picture(kept: tuple[Desk, str]) -> None:
    made = downloads.make(*kept, "grid.png")
    assert made[1:] == ("image/png", "cat-18816-values.png")
    with Image.open(io.BytesIO(content(made))) as picture:
        assert picture.width > 4 * 192


def test_the_report_holds_its_pictures(kept: tuple[Desk, str]) -> None:
    made = downloads.make(*kept, "report.html")
    assert made[1:] == ("text/html", "cat-18816-values.html")
    text = content(made).decode()
    assert text.count("data:image/") > 3 * 4 + 3 * 3
    assert "/studio/" not in text


def test_adapters_come_with_a_word_on_what_opens_them(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    lora = folders(desk, comparison)["lora"]
    (lora / "adapter" / "unet" / "adapter_config.json").write_text("{}")
    made = downloads.make(desk, comparison, "adapters.zip")
    assert made[1:] == ("application/zip", "cat-18816-values-adapters.zip")
    with zipfile.ZipFile(io.BytesIO(content(made))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "README.txt", "lora/unet/adapter_config.json", "lora/unet/values.bin",
            "so/unet/values.bin", "waveft/unet/values.bin",
        ]  # fmt: skip
        assert archive.read("so/unet/values.bin") == b"values of so"
        said = archive.read("README.txt").decode()
    assert f"rank 1. {downloads.PEFT}" in said.split("lora: LoRA, ")[1]
    assert f"rank 1. {downloads.STUDIO}" in said.split("so: SO, ")[1]
    assert '"sks cat"' in said


def test_one_adapter_comes_alone(kept: tuple[Desk, str]) -> None:
    made = downloads.make(*kept, "adapter-so.zip")
    assert made[2] == "cat-18816-values-so.zip"
    with zipfile.ZipFile(io.BytesIO(content(made))) as archive:
        assert archive.namelist() == ["README.txt", "so/unet/values.bin"]


def test_an_archive_that_nobody_fetched_goes(
    kept: tuple[Desk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (downloads.make(*kept, "adapter-so.zip")[0] for _ in range(2))
    assert isinstance(first, Path)
    assert isinstance(second, Path)
    assert first.is_file()
    later = time.time() + 2 * downloads.STALE_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    third, *_ = downloads.make(*kept, "adapter-so.zip")
    assert sorted(kept[0].folder.glob(".adapters-*")) == [third]


def test_an_archive_that_failed_leaves_nothing(
    kept: tuple[Desk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(OSError, match="No space"):
        downloads.make(*kept, "adapters.zip")
    assert list(kept[0].folder.glob(".adapters-*")) == []


@pytest.mark.parametrize("what", EVERYTHING)
def test_another_persons_is_not_there(kept: tuple[Desk, str], what: str) -> None:
    desk, comparison = kept
    with pytest.raises(RunError, match=r"There is no comparison .* here\."):
        downloads.make(Desk(desk.studio, OTHER), comparison, what)


@pytest.mark.parametrize(
    "what", ["", "run.json", "adapter-.zip", "adapter-../x.zip", "adapter-nobody.zip", "index.html"]
)
def test_nothing_else_is_given_out(kept: tuple[Desk, str], what: str) -> None:
    with pytest.raises(RunError, match=r"There is no download .* here\."):
        downloads.make(*kept, what)


def test_the_example_is_whole_but_for_its_adapters(kept: tuple[Desk, str]) -> None:
    desk, _ = kept
    for what in EVERYTHING[:4]:
        assert len(content(downloads.make(desk, "example", what))) > 10_000
    with pytest.raises(RunError, match="comes without its adapters"):
        downloads.make(desk, "example", "adapters.zip")


def test_before_a_method_has_finished_there_is_no_adapter(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, finished=())
    with pytest.raises(RunError, match="No adapter is there yet"):
        downloads.make(desk, comparison, "adapters.zip")
    assert b"Waiting." in content(downloads.make(desk, comparison, "report.html"))


def test_a_name_is_fit_for_a_file(kept: tuple[Desk, str], monkeypatch: pytest.MonkeyPatch) -> None:
    value = live.comparison_of(*kept) | {"noun": "../big dog\n", "budget": None}
    monkeypatch.setattr(live, "comparison_of", lambda *_: value)
    assert downloads.make(*kept, "pictures.csv")[2] == "big-dog.csv"


def test_files_that_vanish_meanwhile_are_said_in_words(kept: tuple[Desk, str]) -> None:
    desk, comparison = kept
    live.comparison_of(desk, comparison)
    for path in folders(desk, comparison)["lora"].glob("samples/*/*.png"):
        path.unlink()
    with pytest.raises(RunError, match="Try again"):
        downloads.make(desk, comparison, "grid.png")
