"""The measurements measure what they say, on small shapes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import (
    blocks,
    clip_text,
    few_shot,
    figures,
    layers,
    main_job,
    memory,
    run,
    so_blocks,
    so_step,
    start_up,
    steps,
)
from benchmarks.figures import Figure
from benchmarks.published_so import PublishedSO
from sparse_peft import SO, method_named, sampled_gradients
from sparse_peft.backbones import source
from sparse_peft.maths.kernels import compiled
from sparse_peft.planning import lora_rank_one
from sparse_peft.presets import preset

SMALL = layers.Shape(24, 16, 8, coefficients=40)


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
    expected = calls[layers.PEFTS]()
    for name in {layers.OURS, layers.COMPILED} & calls.keys():
        torch.testing.assert_close(calls[name](), expected, rtol=1e-4, atol=1e-5)
    plain = calls[layers.FROZEN]()
    assert not torch.allclose(calls[layers.OURS](), plain)
    assert torch.equal(calls[layers.SPARSE](), plain)  # the first call steps after its forward pass
    assert not torch.equal(calls[layers.SPARSE](), plain)


def test_lora_is_sized_like_waveft() -> None:
    assert [shape.rank for shape in layers.SHAPES[:3]] == [2, 1, 1]
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
    kernels = compiled.installed()
    threads = torch.get_num_threads()
    found = layers.measure(rounds=3, shapes=(shape,), round_seconds=0.001)
    assert torch.get_num_threads() == threads
    times = ["met", *[""] * kernels, "", "not met", "", "met", *[""] * kernels, ""]
    memory = ["met", "", *["met", ""] * kernels, "", ""]
    assert [figure.verdict for figure in found] == times + memory
    assert all(figure.value > 0 for figure in found if figure.unit != "MiB")


def test_memory_counts_what_is_kept_and_what_is_held_at_most() -> None:
    x = torch.ones(1000, requires_grad=True)

    def call() -> None:
        y = x * 2
        (y * y).sum().backward()
        x.grad = None

    assert memory.kept_bytes(call) == 4000  # y; x was there before
    assert 3 * 4000 <= memory.peak_bytes(call) <= 5 * 4000


def test_blocks_gives_every_contestant_a_figure() -> None:
    found = blocks.measure(rounds=1, width=64, tokens=16)
    names = [figure.what.partition(": ")[2] for figure in found]
    kernels = [blocks.COMPILED] * compiled.installed()
    assert names == [blocks.OURS, *kernels, blocks.PEFTS, blocks.LORA]
    calls = blocks.contestants(64, 16)
    torch.testing.assert_close(calls[blocks.OURS](), calls[blocks.PEFTS](), rtol=1e-3, atol=1e-4)


def test_so_step_counts_what_optimizers_keep() -> None:
    found = so_step.measure(rounds=2, sizes=((300, 200), (200, 300)))
    by_name = {figure.what: figure.value for figure in found}
    assert by_name["AdamW fused: held"] * so_step.MIB == 2 * (2 * 60_000 * 4 + 4)
    assert by_name["density 5e-4, T 10: held for a kept entry"] == 16
    assert by_name["density 5e-4, T 10: held"] * so_step.MIB == 16 * 60
    published = by_name["published structure, density 5e-4, T 10: held"] * so_step.MIB
    assert published == 2 * (8 * 60_000 + (16 + 8) * 30)  # whole permutations, 30 entries each
    sizes = so_step.vit_b_16()
    assert len(sizes) == 96
    assert sum(out * into for out, into in sizes) == 122_683_392


def test_what_so_holds_is_counted_wherever_it_is() -> None:
    model = torch.nn.Linear(200, 300)
    so = SO([model.weight], density_ratio=1e-3, remember=True)
    weights = list(model.parameters())
    assert so_step.held_bytes(so, weights) == 0
    sampled_gradients(model, so)
    assert so_step.held_bytes(so, weights) == 4  # the leaf's own value
    model(torch.ones(2, 200)).sum().backward()
    support, originals, gradients, sampled_moments = 4 * 60, 4 * 60, 4 * 60, 12 * 60
    held = 4 + support + originals + sampled_moments
    assert so_step.held_bytes(so, weights) == held + gradients
    so.step()
    assert so_step.held_bytes(so, weights) == held
    so.state[model.weight]["extra"] = {"deep": [torch.zeros(1000)[:1]]}
    assert so_step.held_bytes(so, weights) == held + 4000


@pytest.mark.parametrize("T", [1, 4])
def test_the_published_structure_computes_what_so_does(T: int) -> None:
    ours, theirs = (torch.nn.Parameter(torch.ones(30, 20)) for _ in range(2))
    so = SO([ours], lr=1e-2, density_ratio=0.05, T=T)
    peer = PublishedSO([theirs], lr=1e-2, density_ratio=0.05, T=T)
    generator = torch.Generator().manual_seed(0)
    for number in range(12):
        ours.grad = theirs.grad = torch.randn(30, 20, generator=generator)
        drawn = so.support(ours).long()
        state = peer.state[theirs]
        if number % T == 0:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(torch, "randperm", lambda _, drawn=drawn: drawn)
                peer.step()
        else:
            peer.step()
        assert state["chosen"].equal(drawn)
        so.step()
        torch.testing.assert_close(ours.detach(), theirs.detach())


def test_so_blocks_takes_the_same_step_in_every_way() -> None:
    calls, so, _ = so_blocks.contestants(width=16, heads=2, tokens=5, density=0.01)
    plain = calls[so_blocks.FROZEN]()
    assert plain.shape == (so_blocks.PICTURES, 5, 16)
    for call in calls.values():
        assert torch.equal(call(), plain)  # the first call steps after its forward pass
    assert all(leaf.numel() == so.count(weight) for weight, leaf in so.sampled.items())
    found = so_blocks.measure(rounds=1, width=16, heads=2, tokens=5)
    assert [figure.goal for figure in found] == [so_blocks.MOST_RATIO, None, None, None]
    assert all(figure.value > 0 for figure in found)


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
