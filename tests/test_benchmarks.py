"""The measurements measure what they say, on small shapes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import clip_text, few_shot, figures, layers, main_job, run, so_step, start_up, steps
from benchmarks.figures import Figure
from sparse_peft import SO, method_named
from sparse_peft.backbones import source
from sparse_peft.planning import lora_rank_one
from sparse_peft.presets import preset

SMALL = layers.Shape(24, 16, 8, coefficients=40, most=1e9, faster=1e9, most_so=1e9)


def test_a_verdict_follows_from_the_goal() -> None:
    assert Figure("s", "w", 1.0, "s").verdict == ""
    assert Figure("s", "w", 1.0, "s", goal=1.0).verdict == "met"
    assert Figure("s", "w", 1.1, "s", goal=1.0).verdict == "not met"
    assert Figure("s", "w", 1.1, "x", goal=1.0, at_least=True).verdict == "met"
    assert Figure("s", "w", 0.9, "x", goal=1.0, at_least=True).verdict == "not met"


def test_rounds_take_turns_and_a_slow_round_does_not_move_the_ratio() -> None:
    now, order = [0.0], []

    def contestant(name: str, seconds: float) -> None:
        order.append(name)
        busy = 10 if 7 <= len(order) <= 12 else 1  # another process wakes up for three rounds
        now[0] += seconds * busy

    taken = figures.interleaved(
        {"a": lambda: contestant("a", 1.0), "b": lambda: contestant("b", 3.0)},
        rounds=9,
        calls=1,
        clock=lambda: now[0],
    )
    assert order[:8] == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert figures.ratio(taken, "b", "a") == 3.0


def test_both_wavefts_of_a_shape_compute_the_same() -> None:
    calls = layers.contestants(SMALL)
    torch.testing.assert_close(calls[layers.OURS](), calls[layers.PEFTS](), rtol=1e-4, atol=1e-5)
    plain = calls[layers.FROZEN]()
    assert not torch.allclose(calls[layers.OURS](), plain)
    assert torch.equal(calls[layers.SPARSE](), plain)  # the first call steps after its forward pass
    assert not torch.equal(calls[layers.SPARSE](), plain)


def test_lora_is_sized_like_waveft() -> None:
    assert [shape.rank for shape in layers.SHAPES[:4]] == [2, 1, 1, 1]
    assert layers.Shape(192, 192, 96, 1996).rank == 5


def test_the_small_shapes_are_those_of_preset_quick() -> None:
    shapes = source.shapes(source.resolve("builtin"), "attention+ff")
    quick = preset("quick", "dreambooth", "builtin")
    budget = round(quick.lora_ranks * lora_rank_one(shapes))
    assert method_named("waveft")().fit(budget, shapes).coefficients == layers.QUICK_COEFFICIENTS
    assert method_named("so")().fit(budget, shapes).density == pytest.approx(
        layers.QUICK_DENSITY, rel=0.01
    )
    small = [shape for shape in layers.SHAPES if shape.coefficients == layers.QUICK_COEFFICIENTS]
    assert {(shape.out, shape.into) for shape in small} <= set(shapes.values())


@pytest.mark.parametrize("frozen_input", [False, True])
def test_layers_gives_every_contestant_a_figure(frozen_input: bool) -> None:
    shape = layers.Shape(24, 16, 8, 40, 0.1, frozen_input, most=1e9, faster=1e9, most_so=1e9)
    threads = torch.get_num_threads()
    found = layers.measure(rounds=3, shapes=(shape,), round_seconds=0.001)
    assert torch.get_num_threads() == threads
    assert [figure.verdict for figure in found] == ["met", "", "not met", "", "met", ""]
    assert all(figure.value > 0 for figure in found)


def test_so_step_counts_what_optimizers_keep() -> None:
    found = so_step.measure(rounds=2, sizes=((300, 200), (200, 300)))
    by_name = {figure.what: figure.value for figure in found}
    assert by_name["AdamW fused: state"] * so_step.MIB == 2 * (2 * 60_000 * 4 + 4)
    assert by_name["density 5e-4, T 10: state of a kept entry"] == 16
    assert by_name["density 5e-4, T 10: state"] * so_step.MIB == 16 * 60
    weight = torch.zeros(1000, requires_grad=True)
    so = SO([weight], density_ratio=0.1)
    assert so_step.state_bytes(so) == 0
    sizes = so_step.vit_b_16()
    assert len(sizes) == 96
    assert sum(out * into for out, into in sizes) == 122_683_392


def test_steps_compares_whole_steps_of_the_methods_and_of_dense_so() -> None:
    found = steps.measure(rounds=1)
    assert [figure.what for figure in found] == ["WaveFT", "SO", steps.DENSE]
    assert all(figure.unit == "x LoRA" and figure.value > 0 for figure in found)


def test_clip_text_compares_the_same_features_at_two_lengths() -> None:
    calls = clip_text.contestants("builtin")
    assert list(calls) == ["24 tokens", "18 tokens"]
    whole, short = (call() for call in calls.values())
    torch.testing.assert_close(short, whole, rtol=0, atol=1e-5)
    [figure] = clip_text.measure(rounds=1, backbone="builtin")
    assert figure.what == "18 tokens against 24 tokens, forward and backward"
    assert figure.value > 0


def test_start_up_measures_whole_processes_and_what_they_take_beyond_python() -> None:
    found = {figure.what: figure for figure in start_up.measure(rounds=1)}
    assert found["python alone"].value > 0
    whole = found["sparse_peft methods, whole process"].value
    beyond = found["sparse_peft methods, less python alone"].value
    assert whole - beyond == pytest.approx(found["python alone"].value)


def test_run_prints_a_table_and_writes_only_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(rounds: int = 3) -> list[Figure]:
        return [Figure("layers", "a thing", float(rounds), "s", goal=2.0)]

    monkeypatch.setattr(layers, "measure", measure)
    monkeypatch.chdir(tmp_path)
    run.main(["--only", "layers", "--rounds", "1"])
    said = capsys.readouterr().out
    assert f"torch {torch.__version__.partition('+')[0]}" in said
    assert "a thing" in said
    assert said.splitlines()[-1].endswith("1 s  <= 2  met")
    assert list(tmp_path.iterdir()) == []
    run.main(["--only", "layers", "--json", "out.json"])
    value = json.loads((tmp_path / "out.json").read_text())
    assert value["figures"][0]["verdict"] == "not met"
    assert set(value["versions"]) == set(figures.PACKAGES)


def test_a_misspelt_subject_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--only", "layer"])
    assert "invalid choice: 'layer'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_main_job_is_taken_apart(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a {subject}\n", encoding="utf-8")
    found = main_job.measure(
        rounds=1, more=["--methods", "lora", "--steps", "2", "--prompts", str(prompts)]
    )
    whole, prepared, trained, drawn = found
    assert whole.what == "1 methods, 1 prompts x 3 seeds, end to end"
    assert whole.goal is None
    assert whole.value > prepared.value + trained.value
    assert "LoRA, 2 steps" in trained.what
    assert drawn.goal == main_job.MOST_PICTURES_SECONDS


@pytest.mark.slow
def test_the_few_shot_job_is_timed_with_one_draw_and_with_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(few_shot, "DRAWS", (1,))
    [figure] = few_shot.measure(more=["--steps=2", "--methods=lora"])
    assert figure.what == "10 classes x 4 shots, 1 methods, draws: 1"
    assert (figure.unit, figure.goal) == ("s", None)
    assert figure.value > 0
