"""One comparison as a person makes it: real processes, real training on the built-in backbone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sparse_peft import files
from sparse_peft.runs.run import RunDirectory
from tests.studio import PATIENCE_SECONDS, REPOSITORY, Studio

pytestmark = pytest.mark.slow

METHODS = ["waveft", "lora", "so"]
TOP = {
    "format", "task", "backbone", "noun", "token", "budget", "prompts", "seeds", "judge",
    "anchors", "device", "versions", "base", "runs", "pairs",
}  # fmt: skip
RUN = {
    "id", "method", "label", "run", "state", "error", "knob", "over_budget", "settings",
    "footprint", "adapter", "adapter_bytes", "seconds", "step_ms", "peak_mib", "attempts",
    "beside", "metrics", "samples", "history", "change",
}  # fmt: skip
METRICS = {"subject_fidelity", "prompt_fidelity", "diversity", "drift"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(tmp_path_factory.mktemp("studio"))
    yield studio
    studio.end()


@pytest.fixture(scope="module")
def finished(studio: Studio) -> dict[str, Any]:
    """A comparison of all methods, made once for many tests."""
    done = studio.run(*studio.compare("out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{studio.root / 'out' / 'index.html'}\n"
    assert "Traceback" not in done.stderr
    assert "so        finished" in done.stderr
    return studio.value("out")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


# One comparison ---------------------------------------------------------------------------------


def test_comparison_json_has_every_documented_key(finished: dict[str, Any]) -> None:
    assert set(finished) >= TOP
    assert (finished["format"], finished["task"], finished["noun"]) == (1, "dreambooth", "cat")
    assert finished["prompts"] == ["a sks cat in the snow"]
    assert finished["seeds"] == [0, 1, 2]
    assert [run["method"] for run in finished["runs"]] == METHODS
    for run in finished["runs"]:
        assert set(run) >= RUN
        assert (run["state"], run["error"], run["attempts"]) == ("finished", None, 1)
        assert set(run["settings"]) >= {"lr", "steps", "seed", "preset"}
        assert set(run["footprint"]) == {"active", "stored", "support", "estimated"}
        assert run["footprint"]["active"] <= finished["budget"]
        assert not run["footprint"]["estimated"]
        assert set(run["metrics"]) == METRICS
        assert set(run["metrics"]["subject_fidelity"]) == {"mean", "low", "high"}
        assert [row["step"] for row in run["history"]] == [1]
    assert {pair["metric"] for pair in finished["pairs"]} == {"subject_fidelity", "prompt_fidelity"}
    assert all(set(pair) >= {"a", "b", "wins", "of", "word"} for pair in finished["pairs"])


def test_base_and_every_run_cover_the_same_prompts_and_seeds(finished: dict[str, Any]) -> None:
    wanted = [(0, 0), (0, 1), (0, 2)]
    for column in (finished["base"], *finished["runs"]):
        assert [(row["prompt"], row["seed"]) for row in column["samples"]] == wanted


def test_the_out_folder_is_whole(studio: Studio, finished: dict[str, Any]) -> None:
    out = studio.root / "out"
    files.verify_folder(out)
    assert (out / "index.html").read_text().startswith("<!doctype html>")
    assert pixels(out / "grid.png").shape[1] > 4 * 64
    for column in (finished["base"], *finished["runs"]):
        for row in (*column["samples"], *column.get("history", ())):
            assert pixels(out / row["path"]).shape == (64, 64, 3)
    for run in finished["runs"]:
        card = json.loads((out / run["adapter"] / "adapter.json").read_text())
        assert card["method"] == run["method"]
        assert pixels(out / run["change"]).shape == (48, 48, 3)
    assert not [path for path in studio.root.iterdir() if path.name.startswith(".out")]


def test_every_method_changes_the_picture_in_its_own_way(
    studio: Studio, finished: dict[str, Any]
) -> None:
    columns = [finished["base"], *finished["runs"]]
    seen = [pixels(studio.root / "out" / column["samples"][0]["path"]) for column in columns]
    for number, one in enumerate(seen):
        assert all((one != other).any() for other in seen[:number])


def test_the_same_command_writes_the_same_again_without_training(
    studio: Studio, finished: dict[str, Any]
) -> None:
    before = [(row.id, row.state, row.attempts) for row in studio.rows()]
    done = studio.run(*studio.compare("out"))
    assert done.returncode == 0, done.stderr
    assert [(row.id, row.state, row.attempts) for row in studio.rows()] == before
    assert studio.value("out") == finished


def test_all_runs_are_listed_as_finished(studio: Studio, finished: dict[str, Any]) -> None:
    lines = [line.split() for line in studio.run("runs").stdout.splitlines()]
    listed = {line[0]: line[1:] for line in lines}
    for run in finished["runs"]:
        assert listed[run["run"]] == [run["id"], "finished"]


def test_a_moved_home_still_knows_its_comparisons(studio: Studio, finished: dict[str, Any]) -> None:
    moved = studio.root / "moved"
    shutil.copytree(studio.home, moved)
    done = subprocess.run(
        [sys.executable, "-m", "sparse_peft", *studio.compare("out"), f"--home={moved}"],
        cwd=studio.root, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=False,
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert studio.value("out") == finished


# New pictures of it -----------------------------------------------------------------------------


def generate(studio: Studio, out: str) -> subprocess.CompletedProcess[str]:
    return studio.run(
        "generate", "--comparison=out", "--prompt=a {subject} at sunset", "--seed=7", f"--out={out}"
    )


def test_generate_draws_the_base_and_every_method(studio: Studio, finished: dict[str, Any]) -> None:
    done = generate(studio, "drawn")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{studio.root / 'drawn' / 'grid.png'}\n"
    drawn = studio.root / "drawn"
    files.verify_folder(drawn)
    told = json.loads((drawn / "generate.json").read_text())
    assert (told["prompt"], told["seeds"]) == ("a sks cat at sunset", [7])
    assert list(told["samples"]) == ["base", *METHODS]
    seen = [pixels(drawn / row["path"]) for [row] in told["samples"].values()]
    for number, one in enumerate(seen):
        assert all((one != other).any() for other in seen[:number])
    inputs = RunDirectory.of(studio.home, studio.newest("generate").id).inputs
    for run in finished["runs"]:
        card = json.loads((inputs / run["id"] / "adapter.json").read_text())
        assert card["method"] == run["method"]


def corrupt(adapter: Path) -> str:
    path = next(adapter.rglob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:100])
    return "adapter_model.safetensors"


def fill_with_nan(adapter: Path) -> str:
    path = next(adapter.rglob("*.safetensors"))
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, path)
    return "finite"


def make_for_another(adapter: Path) -> str:
    card = json.loads((adapter / "adapter.json").read_text())
    (adapter / "adapter.json").write_text(json.dumps(card | {"backbone_sha256": "0" * 64}))
    return "was made for another backbone"


@pytest.mark.parametrize("damage", [corrupt, fill_with_nan, make_for_another])
def test_an_adapter_that_cannot_be_used_is_one_line_and_exit_2(
    studio: Studio, finished: dict[str, Any], damage: Any
) -> None:
    adapter = RunDirectory.of(studio.home, finished["runs"][0]["run"]).adapter
    kept = studio.root / "kept"
    shutil.copytree(adapter, kept)
    try:
        words = damage(adapter)
        done = generate(studio, "never")
    finally:
        shutil.rmtree(adapter)
        kept.rename(adapter)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line == done.stderr.splitlines()[-1]
    assert words in line
    assert "waveft" in line
    assert not (studio.root / "never").exists()
