"""A comparison from run folders: every key of format 1, null where absent, whole or untouched."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sparse_peft import compare, files
from sparse_peft.errors import RunError, SpecError
from sparse_peft.runs.events import EventLog
from tests.fake_outcome import Maker

TOP = {
    "format": int, "task": str, "backbone": dict, "noun": str, "token": str, "budget": int,
    "prompts": list, "seeds": list, "judge": dict, "anchors": dict, "device": str,
    "versions": dict, "base": dict, "runs": list, "pairs": list,
}  # fmt: skip
RUN = {
    "id": str, "method": str, "label": str, "run": str, "state": str, "knob": str,
    "over_budget": bool, "settings": dict, "footprint": dict, "adapter": str,
    "adapter_bytes": int, "seconds": float, "step_ms": float, "peak_mib": float, "attempts": int,
    "beside": int, "metrics": dict, "samples": list, "history": list, "change": str,
}  # fmt: skip
SAMPLE = {"prompt": int, "seed": int, "path": str, "subject": float, "prompt_score": float}
METRICS = {"subject_fidelity", "prompt_fidelity", "diversity", "drift"}


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    (tmp_path / "runs").mkdir()
    return Maker(tmp_path / "runs")


@pytest.fixture
def small(tmp_path: Path) -> Maker:
    """For tests of files, where numbers do not matter."""
    (tmp_path / "runs").mkdir()
    return Maker(tmp_path / "runs", prompts=2, seeds=(0, 2))


def typed(entry: dict[str, Any], keys: dict[str, type]) -> None:
    for key, kind in keys.items():
        assert type(entry[key]) is kind, f"{key} is {entry[key]!r}"


def test_every_key_of_format_1_is_there_and_typed(maker: Maker) -> None:
    value = compare.assemble(maker.comparison())
    typed(value, TOP)
    assert value["format"] == 1
    assert value["backbone"] == {"id": "builtin", "sha256": "ab" * 32, "title": "built-in"}
    assert [run["id"] for run in value["runs"]] == ["lora", "waveft", "so"]
    for run in value["runs"]:
        typed(run, RUN)
        assert run["error"] is None
        assert set(run["settings"]) >= {"lr", "steps", "seed", "preset"}
        assert set(run["footprint"]) == {"active", "stored", "support", "estimated"}
        for row in run["history"]:
            typed(row, SAMPLE | {"step": int})
    for holder in (value["base"], *value["runs"]):
        assert set(holder["metrics"]) == METRICS
        for metric in holder["metrics"].values():
            assert metric["low"] <= metric["mean"] <= metric["high"]
        assert len(holder["samples"]) == 18
        for row in holder["samples"]:
            typed(row, SAMPLE)
    for pair in value["pairs"]:
        assert pair.keys() >= {"metric", "a", "b", "wins", "of", "word"}
        assert 0 <= pair["wins"] + pair["ties"] <= pair["of"] == 18


def test_base_and_runs_cover_the_same_prompts_and_seeds(maker: Maker) -> None:
    value = compare.assemble(maker.comparison())
    covered = [
        [(row["prompt"], row["seed"]) for row in holder["samples"]]
        for holder in (value["base"], *value["runs"])
    ]
    assert covered[0] == [(p, s) for p in range(6) for s in (0, 1, 2)]
    assert all(one == covered[0] for one in covered)


def test_scores_are_cosines_of_the_features(maker: Maker) -> None:
    outcome = maker.comparison()
    value = compare.assemble(outcome)
    own = load_file(outcome.runs[0].folder / "features.safetensors")
    base = load_file(outcome.prepare / "features.safetensors")
    row = value["runs"][0]["samples"][4]  # prompt 1, seed 1
    assert row["subject"] == pytest.approx(float((base["pictures"] @ own["subjects"][4]).mean()))
    assert row["prompt_score"] == pytest.approx(float(base["prompts"][1] @ own["samples"][4]))
    drift = 1 - (own["class"] * base["class"]).sum(1)
    assert value["runs"][0]["metrics"]["drift"]["mean"] == pytest.approx(drift.mean(), abs=1e-6)


def test_the_order_of_the_report_does_not_matter(maker: Maker) -> None:
    outcome = maker.comparison()
    before = compare.assemble(outcome)
    folder = outcome.runs[0].folder
    told = json.loads((folder / "report.json").read_text())
    own = load_file(folder / "features.safetensors")
    turned = {key: own[key][::-1].copy() for key in ("samples", "subjects")}
    turned["class"] = own["class"]
    save_file(turned, folder / "features.safetensors")
    told["samples"].reverse()
    (folder / "report.json").write_text(json.dumps(told))
    assert compare.assemble(outcome) == before


def test_failed_and_queued_runs_appear_with_nulls(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    failed = maker.queued("waveft", state="failed", error="the loss became infinite at step 37.")
    outcome = replace(outcome, runs=(*outcome.runs, failed, maker.queued("so")))
    value = compare.assemble(outcome)
    for run, state in zip(value["runs"][1:], ("failed", "queued"), strict=True):
        assert run["state"] == state
        assert run["metrics"] == dict.fromkeys(METRICS)
        assert run["samples"] == run["history"] == run["losses"] == []
        for key in ("adapter", "adapter_bytes", "seconds", "step_ms", "peak_mib", "change"):
            assert run[key] is None
    assert value["runs"][1]["error"] == "the loss became infinite at step 37."
    assert {pair["b"] for pair in value["pairs"]} == {"base"}
    assert value["reference"] == "base"


def test_without_a_prepare_run_everything_measured_is_null(maker: Maker) -> None:
    empty = maker.root / "nothing yet"
    outcome = replace(
        maker.comparison(methods=()), prepare=empty, runs=(maker.queued("lora"),), pictures=()
    )
    value = compare.assemble(outcome)
    assert value["base"] == {"metrics": dict.fromkeys(METRICS), "samples": []}
    assert value["judge"] is value["device"] is None
    assert value["backbone"]["id"] == "builtin"
    assert value["anchors"]["subject_fidelity"] == {
        "zero": None, "hundred": None, "usable": False,
    }  # fmt: skip
    assert value["pairs"] == []


def test_an_unfinished_run_shows_what_it_has_left(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    stopped = maker.unfinished("waveft", error="Its worker is gone.")
    value = compare.assemble(replace(outcome, runs=(*outcome.runs, stopped)))
    run = value["runs"][1]
    assert (run["step"], run["saved"], run["stage"]) == (120, 100, None)
    assert [row["step"] for row in run["history"]] == [50] * 6 + [100] * 6
    assert run["history"][7]["path"] == "samples/waveft/step000100/p01-s0.png"
    assert run["losses"][-1] == [120, 1.0 / 120]
    assert [step["step"] for step in run["way"]] == [50, 100]
    assert run["samples"] == []
    assert run["metrics"] == dict.fromkeys(METRICS)
    assert {pair["b"] for pair in value["pairs"]} == {"base"}


def test_only_a_run_at_work_says_what_it_is_doing(maker: Maker) -> None:
    runs = tuple(
        maker.unfinished(name, state=state)
        for name, state in (("lora", "running"), ("so", "interrupted"))
    )
    value = compare.assemble(replace(maker.comparison(methods=()), runs=runs))
    assert [run["stage"] for run in value["runs"]] == ["Training", None]


def test_the_base_is_shown_while_it_is_drawn(maker: Maker) -> None:
    outcome = maker.comparison(methods=())
    report = json.loads((outcome.prepare / "report.json").read_text())
    (outcome.prepare / "report.json").unlink()
    log = EventLog(outcome.prepare / "events.jsonl", 1)
    for row in report["samples"][:4]:
        log.emit("sample", step=0, **row)
    value = compare.assemble(replace(outcome, runs=(maker.queued("lora"),)))
    assert [row["path"] for row in value["base"]["samples"]] == [
        "samples/base/p00-s0.png", "samples/base/p00-s1.png", "samples/base/p00-s2.png",
        "samples/base/p01-s0.png",
    ]  # fmt: skip
    assert value["base"]["metrics"] == dict.fromkeys(METRICS)


def test_a_resumed_run_keeps_the_pictures_of_its_first_attempt(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    folder = outcome.runs[0].folder
    told = json.loads((folder / "report.json").read_text())
    log = EventLog(folder / "events.jsonl", 1)
    for row in (*told["history"], *(row | {"step": 200} for row in told["samples"])):
        log.emit("sample", **row)
    before = compare.assemble(outcome)
    told["history"] = [row for row in told["history"] if row["step"] == 150]
    (folder / "report.json").write_text(json.dumps(told))
    assert compare.assemble(outcome) == before


def test_a_run_that_goes_on_is_not_what_it_was_when_it_was_stopped(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    kept = maker.train("waveft", stopped_at=120)
    for state, metrics in (("cancelled", True), ("running", False)):
        value = compare.assemble(replace(outcome, runs=(*outcome.runs, replace(kept, state=state))))
        assert (value["runs"][1]["metrics"]["drift"] is not None) == metrics
        assert (value["runs"][1]["stopped_at"] is not None) == metrics


def test_without_a_judge_pictures_stay_and_numbers_are_null(maker: Maker) -> None:
    outcome = maker.comparison()
    for folder in (outcome.prepare, *(run.folder for run in outcome.runs)):
        save_file({}, folder / "features.safetensors")
    value = compare.assemble(outcome)
    assert value["runs"][0]["metrics"] == dict.fromkeys(METRICS)
    assert value["runs"][0]["unchanged"] is None
    assert len(value["runs"][0]["samples"]) == 18
    assert value["runs"][0]["samples"][0]["subject"] is None


def test_two_seeds_have_no_diversity(tmp_path: Path) -> None:
    value = compare.assemble(Maker(tmp_path, seeds=(4, 9)).comparison())
    assert value["runs"][0]["metrics"]["diversity"] is None
    assert value["base"]["metrics"]["diversity"] is None
    assert value["runs"][0]["metrics"]["drift"] is not None


@pytest.mark.parametrize("damage", ["nan", "short", "missing", "outside", "torn"])
def test_a_damaged_run_says_so_and_the_rest_stands(maker: Maker, damage: str) -> None:
    outcome = maker.comparison()
    folder = outcome.runs[1].folder
    told = json.loads((folder / "report.json").read_text())
    own = load_file(folder / "features.safetensors")
    if damage == "nan":
        own["samples"][0, 0] = np.nan
        save_file(own, folder / "features.safetensors")
    elif damage == "short":
        told["samples"].pop()
    elif damage == "missing":
        (folder / told["samples"][3]["path"]).unlink()
    elif damage == "outside":
        told["samples"][0]["path"] = "samples/../../secret.png"
    else:
        (folder / "features.safetensors").write_bytes(b"torn")
    (folder / "report.json").write_text(json.dumps(told))
    value = compare.assemble(outcome)
    assert "is damaged" in value["runs"][1]["error"]
    assert value["runs"][1]["metrics"] == dict.fromkeys(METRICS)
    assert value["runs"][0]["metrics"]["subject_fidelity"] is not None


def test_a_damaged_prepare_run_is_an_error(maker: Maker) -> None:
    outcome = maker.comparison()
    (outcome.prepare / "features.safetensors").unlink()
    with pytest.raises(RunError, match="is damaged"):
        compare.assemble(outcome)


def test_training_seeds_of_one_method_are_pooled_in_pairs(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora", "waveft"))
    again = tuple(maker.train(name, f"{name}-2", seed=1) for name in ("lora", "waveft"))
    value = compare.assemble(replace(outcome, runs=outcome.runs + again))
    assert [run["id"] for run in value["runs"]] == ["lora", "waveft", "lora-2", "waveft-2"]
    assert {pair["of"] for pair in value["pairs"]} == {36}
    assert {(pair["a"], pair["b"]) for pair in value["pairs"]} == {
        ("waveft", "lora"), ("lora", "waveft"), ("lora", "base"), ("waveft", "base"),
    }  # fmt: skip


def test_a_run_equal_to_the_base_is_marked_unchanged(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora", "so"))
    base = load_file(outcome.prepare / "features.safetensors")
    same = {"samples": base["samples"], "subjects": base["subjects"], "class": base["class"]}
    save_file(same, outcome.runs[0].folder / "features.safetensors")
    value = compare.assemble(outcome)
    assert [run["unchanged"] for run in value["runs"]] == [True, False]


def test_the_way_starts_from_the_bases_mean_over_the_same_pictures(maker: Maker) -> None:
    value = compare.assemble(maker.comparison(methods=("lora",)))
    (run,), base = value["runs"], value["base"]
    firsts = [row["subject"] for row in base["samples"] if row["seed"] == 0]
    wanted = base["metrics"]["subject_fidelity"]["mean"] + 0.3 + 50 / 500 - np.mean(firsts)
    assert [step["step"] for step in run["way"]] == [50, 100, 150]
    assert run["way"][0]["subject_fidelity"] == pytest.approx(wanted)


def test_write_fills_the_folder_as_the_dictionary_says(small: Maker, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    value = compare.write(out, small.comparison())
    assert json.loads((out / "comparison.json").read_text()) == value
    files.verify_folder(out)
    assert (out / "grid.png").is_file()
    assert (out / "index.html").is_file()
    for run in value["runs"]:
        assert (out / run["adapter"] / "unet" / "values.bin").is_file()
        assert (out / run["change"]).is_file()
        for row in (*run["samples"], *run["history"]):
            assert (out / row["path"]).is_file()
    assert all((out / path).is_file() for path in value["pictures"])
    own = small.root / "waveft" / "samples" / "step000200" / "p01-s2.png"
    kept = out / "samples" / "waveft" / "step000200" / "p01-s2.png"
    assert kept.read_bytes() == own.read_bytes()


def test_pictures_of_an_unfinished_run_are_written_too(small: Maker, tmp_path: Path) -> None:
    outcome = small.comparison(methods=("lora",))
    outcome = replace(outcome, runs=(*outcome.runs, small.unfinished("waveft")))
    value = compare.write(tmp_path / "out", outcome)
    rows = value["runs"][1]["history"]
    assert len(rows) == 4
    assert all((tmp_path / "out" / row["path"]).is_file() for row in rows)


def test_content_is_what_is_written(small: Maker, tmp_path: Path) -> None:
    outcome = small.comparison()
    value = compare.write(tmp_path / "out", outcome)
    paths = [*value["pictures"], *(run["change"] for run in value["runs"])]
    paths += [row["path"] for row in (*value["base"]["samples"], *value["runs"][1]["history"])]
    for path in paths:
        assert outcome.content(path) == (tmp_path / "out" / path).read_bytes()


def test_writing_twice_gives_the_same_bytes(small: Maker, tmp_path: Path) -> None:
    outcome = small.comparison()
    for name in ("one", "two"):
        compare.write(tmp_path / name, outcome)
    assert files.read_manifest(tmp_path / "one") == files.read_manifest(tmp_path / "two")


def test_an_out_of_this_comparison_is_replaced_and_strangers_in_it_stay(
    small: Maker, tmp_path: Path
) -> None:
    out, outcome = tmp_path / "out", small.comparison()
    compare.write(out, replace(outcome, runs=outcome.runs[:1]))
    (out / "samples" / "my notes.txt").write_text("keep me")
    compare.write(out, outcome)
    assert len(json.loads((out / "comparison.json").read_text())["runs"]) == 3
    assert (out / "samples" / "my notes.txt").read_text() == "keep me"


def test_an_out_in_use_is_refused_and_untouched(small: Maker, tmp_path: Path) -> None:
    outcome = small.comparison()
    compare.write(tmp_path / "other", replace(outcome, id="c0"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for name, words in (("other", "comparison c0"), ("full", "other files"), ("file", "is a file")):
        with pytest.raises(SpecError, match=words):
            compare.write(tmp_path / name, outcome)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    compare.check_out(tmp_path / "empty", "c1")


def test_a_full_disk_leaves_the_old_result(
    small: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, outcome = tmp_path / "out", small.comparison()
    compare.write(out, outcome)
    before = files.read_manifest(out)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.disk, "write", full)
    with pytest.raises(RunError, match="Free some space"):
        compare.write(out, outcome)
    monkeypatch.undo()
    files.verify_folder(out)
    assert files.read_manifest(out) == before
    assert [path.name for path in tmp_path.glob(".out*")] == []
