"""The product keeps nothing of its weight's size and takes little more than one copy in passing."""

import pytest
import torch
from torch import Tensor

from benchmarks.storages import kept_for_backward, transient_peak
from sparse_peft.maths.snell.competition import Competition
from sparse_peft.tuners.snell.product import SnellProduct, exact_type, split_update

OUT, INTO, HALF = 384, 320, 4
MOST_COPIES = 4.5
FORMS = [Competition(0.0), Competition(0.9, "code"), Competition(0.9, "paper")]


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def operands(splits: int, tokens: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    x = drawn(tokens, INTO)
    a, b = drawn(splits, 2, INTO, HALF), drawn(splits, 2, OUT // splits, HALF)
    return x.requires_grad_(), a.requires_grad_(), b.requires_grad_()


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize("competition", FORMS, ids=str)
def test_the_peak_of_both_passes_is_within_bound(competition, splits, fold):
    given, weight = operands(splits), drawn(OUT, INTO) if fold else None

    def step() -> None:
        SnellProduct.apply(*given, competition, weight, None, None, 1.0).sum().backward()

    copies = transient_peak(step) / (4 * OUT * INTO)
    assert 1 < copies <= MOST_COPIES


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_peak_is_within_bound_in_other_types(dtype):
    x, a, b = operands(1)
    x = x.detach().to(dtype).requires_grad_()
    if dtype == torch.float64:
        a, b = (factor.detach().double().requires_grad_() for factor in (a, b))

    def step() -> None:
        SnellProduct.apply(x, a, b, FORMS[1], None, None, None, 1.0).sum().backward()

    copies = transient_peak(step) / (max(dtype.itemsize, 4) * OUT * INTO)
    assert 1 < copies <= MOST_COPIES


def test_the_peak_is_within_bound_where_no_entry_differs_from_another():
    x, a, b = operands(1)
    a, b = (torch.zeros_like(factor).requires_grad_() for factor in (a, b))

    def step() -> None:
        SnellProduct.apply(x, a, b, FORMS[1], None, None, None, 1.0).sum().backward()

    assert transient_peak(step) <= MOST_COPIES * 4 * OUT * INTO


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize("competition", FORMS, ids=str)
def test_between_the_passes_it_keeps_a_threshold_for_each_split(competition, splits, fold):
    x, a, b = operands(splits)
    weight = drawn(OUT, INTO) if fold else None
    kept = kept_for_backward(
        lambda x: SnellProduct.apply(x, a, b, competition, weight, None, None, 1.0), x
    )
    assert kept == 4 * splits


def test_autograd_is_given_only_what_there_was_before():
    x, a, b = operands(1)
    weight, saved = drawn(OUT, INTO), []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        SnellProduct.apply(x, a, b, FORMS[1], weight, None, None, 1.0)
    places = {t.untyped_storage().data_ptr() for t in (x, a, b, weight)}
    fresh = [t for t in saved if t.untyped_storage().data_ptr() not in places]
    assert [t.numel() for t in fresh] == [1]


def test_a_dropped_input_costs_one_byte_an_entry():
    x, a, b = operands(1, tokens=40)
    mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(0.5)
    kept = kept_for_backward(
        lambda x: SnellProduct.apply(x, a, b, FORMS[1], None, None, mask.clone(), 2.0), x
    )
    assert kept == 4 + x.numel()


def test_only_what_is_asked_for_has_a_gradient():
    for frozen in range(3):
        given = list(operands(1))
        given[frozen].requires_grad_(False)
        bias = drawn(OUT).requires_grad_()
        y = SnellProduct.apply(*given, FORMS[1], drawn(OUT, INTO), bias, None, 1.0)
        y.sum().backward()
        assert [value.grad is None for value in given] == [n == frozen for n in range(3)]
        assert torch.equal(bias.grad, torch.full((OUT,), 3.0))


def test_with_frozen_factors_the_gradient_of_the_input_is_the_same():
    given = operands(3)
    grads = []
    for trained in (True, False):
        for factor in given[1:]:
            factor.requires_grad_(trained)
        given[0].grad = None
        y = SnellProduct.apply(*given, FORMS[2], drawn(OUT, INTO), None, None, 1.0)
        y.square().sum().backward()
        grads.append(given[0].grad)
    assert torch.equal(*grads)


def test_a_second_derivative_is_refused():
    x, a, b = operands(1)
    y = SnellProduct.apply(x, a, b, FORMS[1], None, None, None, 1.0)
    [dx] = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


def test_a_factor_changed_between_the_passes_is_an_error():
    x, a, b = operands(1)
    y = SnellProduct.apply(x, a, b, FORMS[1], None, None, None, 1.0)
    with torch.no_grad():
        a.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_half_precision_factors_are_merged_in_single_precision():
    _, a, b = operands(1)
    half = a.bfloat16(), b.bfloat16()
    update, _ = split_update(*half, FORMS[1])
    assert update.dtype == exact_type(*half) == torch.float32
    expected, _ = split_update(*(factor.float() for factor in half), FORMS[1])
    assert torch.equal(update, expected)


def test_splits_stand_below_one_another():
    _, a, b = operands(3)
    weight = drawn(OUT, INTO)
    whole, thresholds = split_update(a, b, FORMS[1], weight)
    for number, part in enumerate(whole.chunk(3)):
        alone, threshold = split_update(
            a[number : number + 1], b[number : number + 1], FORMS[1], weight.chunk(3)[number]
        )
        assert torch.equal(part, alone)
        assert threshold == thresholds[number]
