"""The Compare tab where a vision backbone learned: what all are compared with is the probe."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparse_peft import compare
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.errors import RunError
from sparse_peft.files import Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.runner import runner_lock_path
from sparse_peft.runs.store import Store
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER
from sparse_peft.ui.classes.compare import downloads as compare_downloads
from sparse_peft.ui.classes.compare.merging import bytes_of
from sparse_peft.ui.classes.compare.trying import submit
from sparse_peft.ui.comparisons import downloads
from sparse_peft.ui.panels.classes.compare import board as compare_board
from sparse_peft.ui.panels.classes.compare import files as compare_files
from sparse_peft.ui.panels.classes.compare.states import lines as state_lines
from sparse_peft.ui.panels.heading import board as heading
from sparse_peft.ui.panels.matrix import board as matrix
from sparse_peft.ui.panels.numbers import board as numbers
from sparse_peft.ui.panels.opened import Opened
from sparse_peft.ui.watch.watching import pulse
from tests.fake_classes import Maker
from tests.ui.boards import words
from tests.ui.classes.compared_classes import desk_at, with_live
from tests.ui.classes.kept_classes import keep, plan_of
from tests.ui.classes.own_classes import draw_files
from tests.ui.classes.vision_told import NAME, OUTLINE, VALUES
from tests.ui.compared import parsed
from tests.ui.own_desk import act

TITLE = "test_vit (random)"


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_shapes, "outline", lambda _: OUTLINE)
    bytes_of.cache_clear()


def made(root: Path, **other: Any) -> Opened:
    """What is open: methods that have finished, on two draws."""
    maker = Maker(root, seeds=(1, 2))
    outcome = maker.comparison(("lora", "so"), ("linear_probe",), backbone=NAME)
    report = json.loads((maker.root / "prepare" / "report.json").read_text())
    report["backbone"] |= {"id": NAME, "title": TITLE}
    (maker.root / "prepare" / "report.json").write_text(json.dumps(report))
    value = compare.assemble(replace(outcome, **other))
    return Opened("f1", value, lambda path: f"/files/{path}", "5 classes, 4 shots")


def everything(found: Opened, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text of all boards of the tab."""
    for panel in (heading, matrix, numbers):
        monkeypatch.setattr(panel, "opened", lambda _: found)
    monkeypatch.setattr(compare_board, "likes", lambda *_: {})
    monkeypatch.setattr(compare_files, "merges", lambda *_: {})
    monkeypatch.setattr(compare_files, "opens", lambda *_: "Opens in: this studio.")
    boards = [panel.render(desk_at(Path("nowhere")), {})["html"]
              for panel in (heading, matrix, numbers)]  # fmt: skip
    for html in boards:
        parsed(html)
    return words("".join(boards))


def test_the_whole_tab_names_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = everything(made(tmp_path), monkeypatch)
    assert "The dotted line is the linear probe: the backbone as it came" in said
    assert "linear probe" in said.partition("Accuracy")[0]  # in the sentences at the top
    assert "zero-shot" not in said.lower()
    assert "CLIP" not in said
    assert "Make an ordinary timm checkpoint of draw 1 (about 1.2 MB)" in said
    assert "The timm checkpoint is large and needs timm alone" in said
    assert "open_clip" not in said


def test_before_the_linear_probe_there_is_an_explanation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = made(tmp_path, runs=(), prepare=tmp_path / "none", prepare_state="queued")
    found = with_live(found, prepare={"state": "queued"})
    said = everything(found, monkeypatch)
    assert "The linear probe comes first, then each method fills in" in said
    assert "Linear probeWaiting for the runs before it." in said
    assert "As soon as the linear probe is measured." in said
    [line] = state_lines(with_live(found, prepare={"state": "cancelled"}))
    assert line.text == "Stopped before the linear probe was measured."


@pytest.mark.parametrize(
    ("backbone", "said"),
    [("builtin", "Zero-shot is measured."), (NAME, "The linear probe is measured.")],
)
def test_the_pulse_tells_what_is_measured_first(tmp_path: Path, backbone: str, said: str) -> None:
    desk, comparison = keep(
        tmp_path, (), methods=("lora",), classes=2, seeds=(1,), backbone=backbone
    )
    prepare = plan_of(desk, comparison).prepare
    before = pulse(desk, {})["versions"] | {"runs": f"{prepare}:running"}
    assert said in pulse(desk, before)["said"]


def test_nothing_classifies_before_the_linear_probe_is_measured(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, (), methods=("lora",), classes=2, seeds=(1,), backbone=NAME)
    for path in RunDirectory.of(desk.home, plan_of(desk, comparison).prepare).path.rglob(
        CLASSIFIER
    ):
        path.unlink()
    with pytest.raises(RunError, match="as soon as the linear probe is measured"):
        submit(desk, comparison, draw_files(tmp_path / "new", 1))


def test_how_large_a_checkpoint_will_be_is_known_before() -> None:
    assert bytes_of(NAME) == 4 * VALUES
    assert bytes_of("timm:test_vit@nowhere.npz") is None
    assert bytes_of("timm:nobody/random") is None


def test_a_merged_checkpoint_is_one_of_timm(tmp_path: Path) -> None:
    desk, comparison = keep(
        tmp_path, ("lora",), methods=("lora",), classes=2, seeds=(1,), backbone=NAME
    )
    with Lock(runner_lock_path(desk.home)):
        assert act(desk, "merge", run="lora-s1").errors == {}
    with Store(desk.home) as store:
        [run] = [row.id for row in store.runs(comparison) if row.kind == "merge"]
        store.end(run, "finished")
    folder = RunDirectory.of(desk.home, run).path / "merged"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    found = compare_downloads.merged(desk, comparison, "merged-lora-s1.zip")
    assert found is not None
    assert found[1] == "lora-s1-timm.zip"


@pytest.mark.parametrize(("backbone", "program"), [("builtin", "open_clip"), (NAME, "timm")])
def test_an_adapter_says_what_it_can_become(tmp_path: Path, backbone: str, program: str) -> None:
    (tmp_path / CLASSIFIER).write_text(json.dumps({"backbone": backbone}))
    assert downloads.opens_in(tmp_path).endswith(f"Made into a checkpoint, in {program}.")


def test_what_is_taken_away_says_what_it_is_for(tmp_path: Path) -> None:
    value = made(tmp_path).comparison
    assert compare_downloads.name(value) == "toys-4-shots"
    assert compare_downloads.name({**value, "shots": None}) == "toys-all-pictures"
    text = compare_downloads.read_me(value)
    assert f"Adapters of {TITLE} for 5 classes" in text
    assert "the linear head that was trained with it" in text
    assert "CLIP" not in text
    clip = {**value, "backbone": {**value["backbone"], "id": "builtin"}}
    assert "CLIP reads: a photo of a {}." in compare_downloads.read_me(clip)
