"""The measurement of SNELL measures what it says, on a small layer."""

import pytest
import torch

from benchmarks import run, snell_layer
from benchmarks.snell_layer import Shape
from benchmarks.storages import LiveStorages, kept_for_backward, transient_peak

SMALL = Shape(into=160, out=224, samples=2, tokens=5, rank=4)


def test_storages_are_followed_from_birth_to_death() -> None:
    before = torch.zeros(50)
    with LiveStorages() as storages:
        one = torch.zeros(1000)
        view = one[:10]
        del one
        assert storages.live == 4000
        other = view * 2
        del view
        before.add_(1)
        assert (storages.live, storages.peak) == (40, 4040)
        del other
    assert (storages.live, storages.peak) == (0, 4040)


def test_what_autograd_keeps_is_counted() -> None:
    weight = torch.zeros(30, 20, requires_grad=True)
    kept = kept_for_backward(lambda x: torch.tanh(x @ weight.T).exp(), torch.zeros(7, 20))
    assert kept == 4 * 7 * 30  # of tanh; exp keeps its output


def test_arrays_of_numpy_count_in_a_peak() -> None:
    def call() -> None:
        torch.from_numpy(torch.zeros(100_000).numpy() + 1)

    assert 800_000 <= transient_peak(call) < 900_000


def test_all_snells_of_a_layer_compute_what_the_released_one_does() -> None:
    steps = snell_layer.steps(SMALL)
    folded = steps[snell_layer.FOLDED]()
    torch.testing.assert_close(folded, steps[snell_layer.RELEASED](), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(folded, steps[snell_layer.PAPER](), rtol=0, atol=1e-2)
    assert not torch.equal(folded, steps[snell_layer.PUBLISHED]())
    layers = snell_layer.layers(SMALL)
    assert sum(p.numel() for p in layers[snell_layer.FOLDED].parameters() if p.requires_grad) == (
        sum(p.numel() for p in layers[snell_layer.LORA].parameters() if p.requires_grad)
    )


def test_gradients_of_the_released_structure_are_ours() -> None:
    x, dy = snell_layer.numbers(SMALL)
    layers = snell_layer.layers(SMALL)
    ours, theirs = layers[snell_layer.FOLDED], layers[snell_layer.RELEASED]
    for layer in (ours, theirs):
        layer(x).backward(dy)
    torch.testing.assert_close(ours.snell_A["default"].grad, theirs.a.grad, rtol=1e-4, atol=1e-8)
    torch.testing.assert_close(ours.snell_B["default"].grad, theirs.b.grad, rtol=1e-4, atol=1e-8)


def test_each_contestant_has_its_figures_and_the_bounds_stand_where_they_belong() -> None:
    assert snell_layer.SUBJECT in run.SUBJECTS
    found = {figure.what: figure for figure in snell_layer.measure(rounds=1, shape=SMALL)}
    assert len(found) == 5 + 2 * 6
    assert found["SNELL, folded, rank 4: step"].goal == 1.75
    assert found["SNELL, folded: transient peak"].goal == 4.5
    assert found["SNELL, folded: transient peak"].verdict == "met"
    assert found["SNELL, folded: kept between passes"].verdict == "met"
    for name in (snell_layer.PUBLISHED, snell_layer.RELEASED):
        assert found[f"{name}, rank 4: step"].goal is None
    peaks = {name: found[f"{name}: transient peak"].value for name in snell_layer.layers(SMALL)}
    assert peaks[snell_layer.RELEASED] > 6 > 4.5 >= peaks[snell_layer.FOLDED]


def test_the_shape_is_that_of_a_vit() -> None:
    shape = Shape()
    assert (shape.samples * shape.tokens, shape.weight_bytes) == (1576, 4 * 768 * 3072)
    assert shape.rank == pytest.approx(16)
