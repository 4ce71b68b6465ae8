"""A few-shot comparison as a person makes it: real processes, the built-in CLIP."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from safetensors.numpy import load_file

from sparse_peft import files
from sparse_peft.__main__ import main
from sparse_peft.runs.run import RunDirectory
from tests.labelled_sets import class_folders
from tests.studio import Studio

pytestmark = pytest.mark.slow

SHOTS, SEEDS = 2, [1, 2]
METHODS = ["zeroshot", "linear_probe", "lora", "so", "waveft"]
TOP = {
    "format", "id", "task", "backbone", "dataset", "classes", "shots", "seeds", "template",
    "budget", "preset", "base", "runs", "pairs", "device", "versions", "command",
}  # fmt: skip
INTERVALS = {"accuracy", "macro_f1", "calibration_error"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(tmp_path_factory.mktemp("studio"))
    class_folders(studio.root / "classes", side=64)
    yield studio
    studio.end()


def compare(out: str, *more: str) -> list[str]:
    return [
        "compare", "--task=fewshot", "--pictures=classes", f"--shots={SHOTS}", "--steps=6",
        f"--seeds={len(SEEDS)}", f"--methods={','.join(METHODS)}", f"--out={out}", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(studio: Studio) -> dict[str, Any]:
    """A comparison of all methods, made once for many tests."""
    done = studio.run(*compare("out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{studio.root / 'out' / 'index.html'}\n"
    assert "Traceback" not in done.stderr
    return studio.value("out")


def row(value: dict[str, Any], method: str) -> dict[str, Any]:
    return next(row for row in value["runs"] if row["method"] == method)


def test_the_folder_is_whole_and_every_path_leads_to_a_file(
    studio: Studio, finished: dict[str, Any]
) -> None:
    out = studio.root / "out"
    files.verify_folder(out)
    assert set(finished) >= TOP
    for name in ("comparison.json", "index.html", "predictions.csv"):
        assert (out / name).is_file()
    for each in finished["runs"]:
        for one in each["runs"]:
            for key in ("adapter", "change"):
                assert one[key] is None or (out / one[key]).exists()
    assert all((out / path).is_file() for path in finished["examples"].values())


def test_one_row_a_method_with_its_seeds_and_the_runs_of_each_inside(
    finished: dict[str, Any],
) -> None:
    assert finished["base"] is None
    assert [each["id"] for each in finished["runs"]] == METHODS
    for each in finished["runs"]:
        assert each["seeds"] == SEEDS
        assert [one["seed"] for one in each["runs"]] == SEEDS
        assert {one["state"] for one in each["runs"]} == {"finished"}
        assert set(each["metrics"]) >= INTERVALS | {"per_class"}
        for metric in INTERVALS:
            interval = each["metrics"][metric]
            assert 0 <= interval["low"] <= interval["mean"] <= interval["high"] <= 1
        assert set(each["metrics"]["per_class"]) == {"apple", "boat", "cat"}


def test_the_references_have_no_knob_and_the_methods_one_budget(finished: dict[str, Any]) -> None:
    for name in ("zeroshot", "linear_probe"):
        assert row(finished, name)["knob"] is None
    for name in ("lora", "so", "waveft"):
        each = row(finished, name)
        assert each["knob"]
        assert 0.9 * finished["budget"] < each["footprint"]["active"] <= finished["budget"]
        assert each["runs"][0]["losses"]


def test_every_row_is_tested_on_the_same_pictures(studio: Studio, finished: dict[str, Any]) -> None:
    assert finished["test_pictures"] == {"1": 12, "2": 12}  # three classes, 6 pictures less 2
    with open(studio.root / "out/predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 * len(SEEDS) * len(METHODS)
    for each in finished["runs"]:
        assert sum(map(sum, each["confusion"])) == 12 * len(SEEDS)


def test_colours_are_told_apart_by_a_line_through_the_features(finished: dict[str, Any]) -> None:
    assert row(finished, "linear_probe")["metrics"]["accuracy"]["mean"] > 0.6


def test_the_same_command_gives_the_same_bits(studio: Studio, finished: dict[str, Any]) -> None:
    done = studio.run(*compare("again", "--methods=lora,so,waveft", "--seeds=1"))
    assert done.returncode == 0, done.stderr
    again = studio.value("again")
    for name in ("lora", "so", "waveft"):
        first, second = row(finished, name)["runs"][0], row(again, name)["runs"][0]
        assert (first["seed"], first["losses"]) == (second["seed"], second["losses"])
        one, two = (
            load_file(RunDirectory.of(studio.home, run["run"]).path / "predictions.safetensors")
            for run in (first, second)
        )
        assert all((one[key] == two[key]).all() for key in one)


def test_classify_says_what_each_method_takes_a_picture_for(
    studio: Studio,
    finished: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = studio.run_plain("classify", "--json", "--run=out", "classes/cat/0.png")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert len(answer["results"]) == len(METHODS)
    for guesses in answer["results"].values():
        assert {guess["class"] for guess in guesses} == {"apple", "boat", "cat"}
        assert sum(guess["probability"] for guess in guesses) == pytest.approx(1, abs=1e-5)
    adapter = next(one["adapter"] for one in row(finished, "lora")["runs"])
    monkeypatch.chdir(studio.root)
    assert main(["classify", f"--run=out/{adapter}", "classes/cat/0.png"]) == 0
    said = capsys.readouterr().out
    assert "classes/cat/0.png" in said
    assert "%" in said


def test_a_merged_checkpoint_classifies_without_us(
    studio: Studio,
    finished: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter = row(finished, "waveft")["runs"][0]["adapter"]
    done = studio.run_plain("merge", f"--run=out/{adapter}", "--out=merged")
    assert done.returncode == 0, done.stderr
    script = studio.root / "merged/classify_folder.py"
    answer = subprocess.run(
        [sys.executable, script, studio.root / "classes/cat"],
        cwd=studio.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("\n") == 6
    code = script.read_text(encoding="utf-8")
    assert "sparse_peft" not in code
    monkeypatch.chdir(studio.root)
    assert main(["classify", "--json", f"--run=out/{adapter}", "classes/cat/0.png"]) == 0
    (guesses,) = json.loads(capsys.readouterr().out)[0]["results"].values()
    said = next(line for line in answer.stdout.splitlines() if "0.png" in line)
    assert guesses[0]["class"] in said


def test_the_report_can_be_written_anew(studio: Studio, finished: dict[str, Any]) -> None:
    done = studio.run_plain("report", "--comparison=out", "--out=page.html")
    assert done.returncode == 0, done.stderr
    assert "zero-shot" in (studio.root / "page.html").read_text(encoding="utf-8").lower()
    assert finished["id"]


def test_what_a_run_needs_is_in_its_folder(studio: Studio, finished: dict[str, Any]) -> None:
    run = row(finished, "lora")["runs"][0]["run"]
    inputs = RunDirectory.of(studio.home, run).inputs
    assert {"data.json", "draws.json", "features.safetensors"} <= {
        path.name for path in inputs.iterdir()
    }
