"""`generate` before any work begins: what is refused and in which words."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.files import Lock
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from tests.planned import submit

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a comparison that waits, and its results so far."""
    monkeypatch.chdir(tmp_path)
    with Lock(runner_lock_path(tmp_path / "home")):
        spec, _, _ = submit(tmp_path)
        (tmp_path / "results").mkdir()
        written = {"format": 1, "id": spec.id}
        (tmp_path / "results/comparison.json").write_text(json.dumps(written))
        yield tmp_path


def refused(root: Path, capsys: Capture, **changes: object) -> str:
    given = {
        "home": "home", "comparison": "results", "prompt": "a {subject}", "out": "drawn"
    } | changes  # fmt: skip
    assert main(["generate", *(f"--{name}={value}" for name, value in given.items())]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert not (root / "drawn").exists()
    with Store(root / "home") as store:
        assert not [row for row in store.runs() if row.kind == "generate"]
    return said.err.removeprefix("error: ").rstrip("\n")


def test_a_folder_without_a_comparison_is_refused(root: Path, capsys: Capture) -> None:
    assert refused(root, capsys, comparison="pictures") == (
        "--comparison pictures holds no comparison.json; give the folder that `compare` wrote "
        "(its --out)."
    )
    assert "nowhere holds no comparison.json" in refused(root, capsys, comparison="nowhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "is not a comparison of format 1; give a folder that `compare` wrote."),
        ('{"format": 2, "id": "x"}', "is not a comparison of format 1"),
        ('{"format": 1}', "is not a comparison of format 1"),
        ("nonsense", "comparison.json, line 1: not valid JSON"),
        ('{"format": 1, "id": "../x"}', "There is no comparison '../x' in"),
    ],
)
def test_a_file_that_is_no_comparison_is_refused(
    root: Path, capsys: Capture, text: str, words: str
) -> None:
    (root / "results/comparison.json").write_text(text)
    assert words in refused(root, capsys)


def test_a_comparison_of_another_home_is_refused(root: Path, capsys: Capture) -> None:
    said = refused(root, capsys, home="other")
    assert said.startswith("There is no comparison ")
    assert said.endswith("must be there: give the --home that it was made with.")


def test_a_comparison_without_a_trained_method_is_refused(root: Path, capsys: Capture) -> None:
    assert refused(root, capsys).startswith(
        "--comparison results has no trained method to draw with. Finish it first"
    )


def test_a_prompt_or_a_seed_that_cannot_be_is_refused(root: Path, capsys: Capture) -> None:
    assert refused(root, capsys, prompt=" ").startswith("--prompt is empty; write what to draw")
    assert "only {subject} is known" in refused(root, capsys, prompt="a {cat}")
    assert refused(root, capsys, seed=-1) == "--seed is -1; use 0 to 2147483647."


def test_an_out_folder_in_use_is_refused(root: Path, capsys: Capture) -> None:
    words = "is not an empty folder; name a new or an empty one."
    assert refused(root, capsys, out="pictures") == f"--out pictures {words}"
    assert refused(root, capsys, out="tiny.toml") == f"--out tiny.toml {words}"
    assert "tiny.toml is a file" in refused(root, capsys, out="tiny.toml/x")
