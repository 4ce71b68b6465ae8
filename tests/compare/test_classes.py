"""A few-shot comparison from run folders: every key, null where absent, whole or untouched."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from sparse_peft import compare, files
from sparse_peft.errors import RunError, SpecError
from sparse_peft.measure.classes import METRICS
from sparse_peft.runs.events import EventLog
from tests.fake_classes import Maker

TOP = {
    "format": int, "task": str, "backbone": dict, "dataset": dict, "classes": list,
    "new_classes": list, "shots": int, "seeds": list, "template": str, "budget": int,
    "preset": str, "test_pictures": dict, "intervals": dict, "device": str, "versions": dict,
    "command": str, "reference": str, "examples": dict, "runs": list, "pairs": list,
}  # fmt: skip
ROW = {
    "id": str, "method": str, "label": str, "family": str, "source": str, "state": str,
    "over_budget": bool, "footprint": dict, "seeds": list, "runs": list, "metrics": dict,
    "confusion": list, "most_confused": list, "confused": dict, "history": list,
}  # fmt: skip
RUN = {
    "id": str, "seed": int, "state": str, "settings": dict, "adapter": str, "seconds": float,
    "attempts": int, "losses": list, "history": list, "accuracy": float, "command": str,
}  # fmt: skip
TRAINED = {"run": str, "adapter_bytes": int, "step_ms": float, "peak_mib": float, "beside": int,
           "change": str, "change_target": str}  # fmt: skip


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    (tmp_path / "runs").mkdir()
    return Maker(tmp_path / "runs", classes=4, each=9, seeds=(1, 2))


def typed(entry: dict[str, Any], keys: dict[str, type]) -> None:
    for key, kind in keys.items():
        assert type(entry[key]) is kind, f"{key} is {entry[key]!r}"


def test_every_key_is_there_and_typed(maker: Maker) -> None:
    value = compare.assemble(maker.comparison())
    typed(value, TOP)
    assert (value["format"], value["task"], value["base"]) == (1, "fewshot", None)
    assert value["reproduces"] is None
    assert value["test_pictures"] == {"1": 20, "2": 20}
    methods = [row["method"] for row in value["runs"]]
    assert methods == ["zeroshot", "linear_probe", "lora", "waveft", "so"]
    for row in value["runs"]:
        typed(row, ROW)
        assert (row["state"], row["error"], row["seeds"]) == ("finished", None, [1, 2])
        assert tuple(row["metrics"]) == METRICS
        assert np.sum(row["confusion"]) == 40
        for run in row["runs"]:
            typed(run, RUN)
            if run["run"]:
                typed(run, TRAINED)
    json.dumps(value, allow_nan=False)


def test_references_are_outside_the_budget_and_have_no_run(maker: Maker) -> None:
    zero, probe, lora = compare.assemble(maker.comparison(methods=("lora",)))["runs"]
    for row in (zero, probe):
        assert (row["knob"], row["budget"], row["fields"]) == (None, None, None)
        assert row["footprint"] == {"active": 0, "stored": 0, "support": 0, "estimated": False}
        assert [run["run"] for run in row["runs"]] == [None, None]
        assert row["history"] == []
    assert zero["runs"][1]["adapter"] == "classifiers/zeroshot"
    assert probe["runs"][1]["adapter"] == "classifiers/linear_probe-s2"
    assert lora["runs"][1]["adapter"] == "adapters/lora-s2"


def test_accuracies_are_those_of_the_answers(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    row = compare.assemble(outcome)["runs"][-1]
    told = [load_file(run.folder / "predictions.safetensors") for run in outcome.runs]
    wanted = [float((one["label"] == one["predicted"]).mean()) for one in told]
    assert [run["accuracy"] for run in row["runs"]] == pytest.approx(wanted)
    assert row["metrics"]["accuracy"]["mean"] == pytest.approx(np.mean(wanted))
    assert row["metrics"]["new_accuracy"] is row["metrics"]["harmonic_mean"] is None


def test_new_classes_are_measured_apart(tmp_path: Path) -> None:
    maker = Maker(tmp_path, classes=4, each=9, seeds=(1, 2), base_to_new=True)
    value = compare.assemble(maker.comparison(methods=("lora",)))
    assert value["new_test_pictures"] == {"1": 36, "2": 36}
    for row in value["runs"]:
        if row["id"] == "linear_probe":  # it has a score for each class it was trained on alone
            assert row["metrics"]["accuracy"]["mean"] > 0
            assert row["metrics"]["new_accuracy"] is row["metrics"]["harmonic_mean"] is None
        else:
            assert row["metrics"]["new_accuracy"]["mean"] > 0
            assert row["metrics"]["harmonic_mean"]["mean"] > 0


def test_pairs_are_by_draw_and_test_picture(maker: Maker) -> None:
    value = compare.assemble(maker.comparison(methods=("lora", "so")))
    assert {pair["of"] for pair in value["pairs"]} == {40}
    assert {pair["b"] for pair in value["pairs"]} == {"zeroshot", "linear_probe", "lora", "so"}
    assert all(pair["a"] != "zeroshot" for pair in value["pairs"])
    for pair in value["pairs"]:
        assert pair["wins"] + pair["losses"] + pair["ties"] == pair["of"]
        assert pair["word"] in ("Leaning", "Cannot tell")  # fewer than 40 test pictures


def test_what_was_confused_names_kept_pictures(maker: Maker) -> None:
    value = compare.assemble(maker.comparison())
    kept = set(value["examples"])
    assert kept == {str(int(Path(path).stem)) for path in value["examples"].values()}
    for row in value["runs"]:
        counts = np.array(row["confusion"])
        for key, entries in row["confused"].items():
            truth, predicted = map(int, key.split(","))
            assert truth != predicted
            assert 0 < len(entries) <= counts[truth, predicted]
            assert {str(entry["place"]) for entry in entries} <= kept
            sure = [entry["confidence"] for entry in entries]
            assert sure == sorted(sure, reverse=True)
        most = row["most_confused"][0]
        assert counts[most["truth"], most["predicted"]] == most["count"]


def test_pictures_are_few_however_many_mistakes_there_are(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparse_peft.compare.examples.MOST_PICTURES", 5)
    value = compare.assemble(maker.comparison())
    assert len(value["examples"]) == 5
    assert any(row["confused"] for row in value["runs"])


def test_of_very_many_classes_no_matrix_is_kept(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparse_peft.compare.class_rows.MOST_CLASSES", 3)
    row = compare.assemble(maker.comparison(methods=()))["runs"][0]
    assert row["confusion"] is None
    assert row["most_confused"]


def test_a_half_finished_comparison_shows_what_there_is(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    runs = (
        *outcome.runs,
        maker.train("waveft", 1),
        maker.unfinished("waveft", 2, state="running"),
        maker.unfinished("so", 1, state="failed", error="the loss became infinite at step 37."),
        maker.queued("so", 2),
    )
    value = compare.assemble(replace(outcome, runs=runs))
    rows = {row["method"]: row for row in value["runs"]}
    waveft, so = rows["waveft"], rows["so"]
    assert (waveft["state"], so["state"]) == ("running", "running")
    assert so["error"] == "Seed 1: the loss became infinite at step 37."
    assert waveft["metrics"]["accuracy"]["mean"] == waveft["runs"][0]["accuracy"]
    assert waveft["runs"][1]["accuracy"] is None
    assert (waveft["runs"][1]["step"], waveft["runs"][1]["stage"]) == (120, "Training")
    assert waveft["runs"][1]["history"] == [
        {"step": 50, "accuracy": 0.55}, {"step": 100, "accuracy": 0.6},
    ]  # fmt: skip
    assert [row["seeds"] for row in waveft["history"]] == [1] * 4  # the one that has come furthest
    assert so["metrics"] == dict.fromkeys(METRICS)
    assert (so["confusion"], so["confused"]) == (None, {})
    assert [row["step"] for row in so["history"]] == [50, 100]
    of = {pair["of"] for pair in value["pairs"] if "waveft" in (pair["a"], pair["b"])}
    assert of == {20}


def test_the_mean_on_the_way_is_over_all_draws(maker: Maker) -> None:
    row = compare.assemble(maker.comparison(methods=("lora",)))["runs"][-1]
    first, second = (run["history"] for run in row["runs"])
    assert row["history"][0] == {
        "step": 50, "accuracy": (first[0]["accuracy"] + second[0]["accuracy"]) / 2, "seeds": 2,
    }  # fmt: skip


def test_without_a_prepare_run_everything_measured_is_null(maker: Maker) -> None:
    outcome = maker.outcome(
        prepare_state="running", prepare_error=None, references=("zeroshot", "linear_probe"),
        runs=(maker.queued("lora"), maker.queued("lora", 2)),
    )  # fmt: skip
    value = compare.assemble(outcome)
    assert value["backbone"] == {"id": "builtin", "sha256": None, "title": "Built-in"}
    assert value["test_pictures"] == value["examples"] == {}
    assert [row["state"] for row in value["runs"]] == ["running", "running", "queued"]
    for row in value["runs"]:
        assert row["metrics"] == dict.fromkeys(METRICS)
        for run in row["runs"]:
            assert run["accuracy"] is run["adapter"] is None
    assert value["pairs"] == []


def test_a_failed_prepare_run_says_so_in_the_references(maker: Maker) -> None:
    outcome = maker.outcome(prepare_state="failed", prepare_error="No room on the disk.")
    (row,) = compare.assemble(outcome)["runs"]
    assert (row["state"], row["error"]) == ("failed", "Seed 1: No room on the disk.")


def test_a_damaged_training_says_so_and_the_rest_stands(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    file = outcome.runs[1].folder / "predictions.safetensors"
    told = load_file(file)
    told["confidence"][0] = np.nan
    save_file(told, file)
    row = compare.assemble(outcome)["runs"][-1]
    assert "is damaged" in row["runs"][1]["error"]
    assert row["error"].startswith("Seed 2: ")
    assert row["runs"][1]["accuracy"] is row["runs"][1]["adapter"] is None
    assert row["metrics"]["accuracy"]["mean"] == row["runs"][0]["accuracy"]


def test_a_damaged_prepare_run_is_an_error(maker: Maker) -> None:
    outcome = maker.comparison()
    (outcome.prepare / "draws.json").unlink()
    with pytest.raises(RunError, match="is damaged"):
        compare.assemble(outcome)


def test_a_resumed_training_keeps_the_measurements_of_its_first_attempt(maker: Maker) -> None:
    outcome = maker.comparison(methods=("lora",))
    folder = outcome.runs[0].folder
    told = json.loads((folder / "report.json").read_text())
    log = EventLog(folder / "events.jsonl", 1)
    for row in told["history"]:
        log.emit("evaluation", **row, of=200)
    before = compare.assemble(outcome)
    told["history"] = told["history"][-1:]
    (folder / "report.json").write_text(json.dumps(told))
    assert compare.assemble(outcome) == before


def test_a_training_that_goes_on_is_not_what_it_was_when_it_was_stopped(maker: Maker) -> None:
    outcome = maker.comparison(methods=())
    kept = maker.train("waveft", stopped_at=120)
    for state, there in (("cancelled", True), ("running", False)):
        value = compare.assemble(replace(outcome, runs=(replace(kept, state=state),)))
        (run,) = value["runs"][-1]["runs"]
        assert (run["accuracy"] is not None) == there
        assert (run["stopped_at"] is not None) == there


def test_write_fills_the_folder_as_the_dictionary_says(maker: Maker, tmp_path: Path) -> None:
    out, outcome = tmp_path / "out", maker.comparison()
    value = compare.write(out, outcome)
    assert json.loads((out / "comparison.json").read_text()) == value
    files.verify_folder(out)
    assert (out / "index.html").is_file()
    with Image.open(out / "chart.png") as chart:
        assert chart.width == 1200
    for row in value["runs"]:
        for run in row["runs"]:
            told = json.loads((out / run["adapter"] / "classifier.json").read_text())
            assert told["method"] == row["method"]
            assert not run["change"] or (out / run["change"]).is_file()
    for path in value["examples"].values():
        assert (out / path).read_bytes() == outcome.content(path)


def test_predictions_are_a_row_for_each_method_seed_and_picture(
    maker: Maker, tmp_path: Path
) -> None:
    outcome = maker.comparison(names={0: "=cmd()", 9: "boat/a.png"})
    value = compare.write(tmp_path / "out", outcome)
    text = (tmp_path / "out" / "predictions.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 5 * 40
    mine = [row for row in rows if row["run"] == "lora-s2"]
    accuracy = value["runs"][2]["runs"][1]["accuracy"]
    assert np.mean([int(row["right"]) for row in mine]) == pytest.approx(accuracy)
    assert {row["picture"] for row in rows} <= {"'=cmd()", "boat/a.png", ""}
    assert all((row["truth"] == row["predicted"]) == (row["right"] == "1") for row in rows)


def test_writing_twice_gives_the_same_bytes(maker: Maker, tmp_path: Path) -> None:
    outcome = maker.comparison(methods=("lora",))
    for name in ("one", "two"):
        compare.write(tmp_path / name, outcome)
    assert files.read_manifest(tmp_path / "one") == files.read_manifest(tmp_path / "two")


def test_an_out_in_use_is_refused(maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    with pytest.raises(SpecError, match="other files"):
        compare.write(tmp_path / "full", maker.comparison(methods=()))
