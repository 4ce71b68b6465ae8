"""A few-shot comparison on a vision backbone, as a person makes it, with real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sparse_peft import files
from sparse_peft.__main__ import main
from tests.data.published.test_transfer import plant_vtab
from tests.labelled_sets import class_folders
from tests.studio import Studio

pytestmark = pytest.mark.slow

BACKBONE = "timm:test_vit/random"
METHODS = ["linear_probe", "lora", "snell"]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(tmp_path_factory.mktemp("studio"))
    class_folders(studio.root / "classes", side=64)
    yield studio
    studio.end()


def compare(out: str, *more: str) -> list[str]:
    return [
        "compare", "--task=fewshot", f"--backbone={BACKBONE}", "--pictures=classes", "--shots=2",
        "--steps=4", "--seeds=1", f"--methods={','.join(METHODS)}", f"--out={out}", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(studio: Studio) -> dict[str, Any]:
    done = studio.run(*compare("out"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "CLIP reads" not in done.stderr
    assert "tested on test" in done.stderr
    return studio.value("out")


def test_the_linear_probe_is_what_all_are_compared_with(
    studio: Studio, finished: dict[str, Any]
) -> None:
    files.verify_folder(studio.root / "out")
    assert finished["reference"] == "linear_probe"
    assert [row["id"] for row in finished["runs"]] == METHODS
    assert {row["state"] for row in finished["runs"]} == {"finished"}
    assert {pair["b"] for pair in finished["pairs"]} >= {"linear_probe"}
    assert finished["backbone"]["id"] == BACKBONE
    assert finished["recipe"]["view"] is None
    page = (studio.root / "out" / "index.html").read_text(encoding="utf-8")
    assert "zero-shot" not in page.lower()
    assert "The linear probe reads the backbone as it came" in page
    assert (studio.root / "out" / "chart.png").is_file()


def test_the_budget_counts_no_head(finished: dict[str, Any]) -> None:
    for row in finished["runs"][1:]:
        assert 0.9 * finished["budget"] < row["footprint"]["active"] <= finished["budget"]
        assert row["runs"][0]["losses"]
        assert row["metrics"]["accuracy"]["mean"] > 0


def test_a_picture_is_classified_and_an_adapter_merged(
    studio: Studio,
    finished: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(studio.root)
    assert main(["classify", "--json", "--run=out", "classes/cat/0.png"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert len(answer["results"]) == len(METHODS)
    adapter = finished["runs"][1]["runs"][0]["adapter"]
    assert main(["merge", f"--run=out/{adapter}", "--out=merged"]) == 0
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "merged/classify_folder.py", "classes/cat"],
        cwd=studio.root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.count("\n") == 6


def refused(studio: Studio, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What is said of a command that is refused before anything runs."""
    try:
        status = main([*command, f"--home={studio.home}"])
    except SystemExit as end:  # of the parser itself
        status = int(str(end.code))
    assert status == 2, command
    return capsys.readouterr().err


def test_what_needs_words_is_refused_in_words(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(studio.root)
    for more, words in (
        ("--methods=zeroshot,lora", "there is no zero-shot"),
        ("--template=a {}", "reads no words"),
        ("--base-to-new", "cannot name classes"),
        ("--preset=quik", "Did you mean 'quick'?"),
        ("--shots=few", "'few' is not a whole number"),
    ):
        assert words in refused(studio, capsys, *compare("refused", more))
        assert not (studio.root / "refused").exists()


def test_the_recipe_of_a_set_of_vtab_is_planned_as_published(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(studio.root)
    plant_vtab(studio.root / "data" / "vtab-1k" / "dtd")
    said = refused(
        studio, capsys, "compare", "--task=fewshot", f"--backbone={BACKBONE}", "--dataset=vtab/dtd",
        "--root=data", "--shots=all", "--preset=snell-32", "--evaluate=test", "--budget=1",
        "--methods=lora", "--out=vtab",
    )  # fmt: skip
    assert "--budget 1 is too small for lora" in said
