"""`classify` asks one draw, and says which."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sparse_peft.__main__ import main
from sparse_peft.commands.classify import classifiers, stopped, which_draw
from sparse_peft.errors import SpecError
from sparse_peft.tasks.fewshot.recipe import CLASSIFIER


def written(folder: Path, seeds: Sequence[int]) -> Path:
    """The --out folder of a comparison, as far as `classify` looks for its classifiers."""
    names = ["classifiers/zeroshot", *(f"adapters/lora-s{seed}" for seed in seeds)]
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / CLASSIFIER).write_text("{}")
    (folder / "comparison.json").write_text(json.dumps({"seeds": list(seeds), "runs": []}))
    return folder


def test_of_several_draws_the_first_is_asked_and_named(tmp_path: Path) -> None:
    out = written(tmp_path, [3, 4, 5])
    assert list(classifiers(out)) == ["zeroshot", "lora-s3"]
    assert which_draw(out) == (
        "The answers are those of the first draw of 3, seed 3. "
        f"For another give one of the folders below {tmp_path / 'adapters'}."
    )


def test_of_one_draw_there_is_nothing_to_say(tmp_path: Path) -> None:
    out = written(tmp_path, [1])
    assert list(classifiers(out)) == ["zeroshot", "lora-s1"]
    assert which_draw(out) == ""


def test_one_adapter_is_asked_as_it_is(tmp_path: Path) -> None:
    one = written(tmp_path, [3, 4]) / "adapters" / "lora-s4"
    assert classifiers(one) == {"lora-s4": one}
    assert which_draw(one) == ""


def test_a_training_that_was_stopped_is_marked(tmp_path: Path) -> None:
    out = written(tmp_path, [1])
    assert stopped(out / "adapters/lora-s1") == {}
    runs = [
        {"id": "lora-s1", "stopped_at": 27, "settings": {"steps": 100}},
        {"id": "so-s1", "stopped_at": None, "settings": {"steps": 100}},
    ]
    whole = {"seeds": [1], "runs": [{"id": "zeroshot", "runs": []}, {"id": "lora", "runs": runs}]}
    (out / "comparison.json").write_text(json.dumps(whole))
    marked = {"lora-s1": "stopped at step 27 of 100"}
    assert stopped(out) == marked
    assert stopped(out / "adapters/lora-s1") == marked


def test_a_folder_of_pictures_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = written(tmp_path / "out", [1])
    assert main(["classify", "--run", str(out), str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == f"error: {tmp_path} is a folder; name pictures, such as {tmp_path}/*.png.\n"


def test_a_folder_without_classifiers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=f"holds no {CLASSIFIER}"):
        classifiers(tmp_path)
