"""Runs that come after the training of a few-shot comparison."""

from pathlib import Path

import pytest

from sparse_peft import tables
from sparse_peft.classifying import classify_run, merge_run
from sparse_peft.errors import RunError, SpecError
from sparse_peft.files import sha256
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.store import Store
from sparse_peft.tasks.fewshot.recipe import ClassifySettings, MergeSettings
from tests.ui import kept
from tests.ui.classes.kept_classes import OWNER, keep, plan_of


def test_a_classify_run_reads_the_pictures_and_every_classifier(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, methods=("lora",), seeds=(1,))
    picture = tmp_path / "home" / "data" / OWNER / "tried" / "a.png"
    picture.parent.mkdir()
    picture.write_bytes(b"a picture")
    plan = plan_of(desk, comparison)
    zeroshot = RunDirectory.of(desk.home, plan.prepare).path / "classifiers" / "zeroshot"
    adapter = RunDirectory.of(desk.home, plan.runs[0].run).adapter
    folders = {"zeroshot": zeroshot, "lora-s1": adapter}
    run = classify_run(desk.home, comparison, [picture], folders, owner=OWNER, within=True)
    assert (run.kind, run.task, run.owner, run.comparison) == (
        "classify", "fewshot", OWNER, comparison
    )  # fmt: skip
    settings = tables.build(ClassifySettings, run.settings, "test")
    assert settings == ClassifySettings(("a.png",), ("zeroshot", "lora-s1"))
    names = {each.name for each in run.inputs}
    assert names == {
        "pictures/a.png", "zeroshot/classifier.json", "lora-s1/classifier.json",
        "lora-s1/adapter.json", "lora-s1/visual/values.bin",
    }  # fmt: skip
    for each in run.inputs:
        assert sha256(desk.home / each.path) == each.sha256
    with Store(desk.home) as store:
        store.submit(None, [run])
        assert store.runs(comparison)[-1].kind == "classify"


def test_a_merge_run_reads_one_adapter(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, methods=("lora",), seeds=(1,))
    adapter = RunDirectory.of(desk.home, plan_of(desk, comparison).runs[0].run).adapter
    run = merge_run(desk.home, comparison, "lora-s1", adapter)
    assert (run.kind, run.task, run.comparison) == ("merge", "fewshot", None)
    assert tables.build(MergeSettings, run.settings, "test") == MergeSettings("lora-s1")
    assert {each.name.partition("/")[0] for each in run.inputs} == {"lora-s1"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    desk, comparison = keep(tmp_path, methods=("lora",), seeds=(1,))
    with pytest.raises(RunError, match=r"classifier\.json is missing\. Train the comparison"):
        merge_run(desk.home, comparison, "lora-s1", desk.home / "nothing")
    with pytest.raises(RunError, match=r"x\.png is missing"):
        classify_run(desk.home, comparison, [desk.home / "x.png"], {})


def test_a_comparison_about_one_subject_has_nothing_to_classify_with(tmp_path: Path) -> None:
    desk, comparison = kept.keep(tmp_path)
    with pytest.raises(SpecError, match="is not about classes"):
        classify_run(desk.home, comparison, [], {})
