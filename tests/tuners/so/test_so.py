import copy
import io
import math
import pickle

import pytest
import torch
from small_nets import batches, difference, net, train
from torch import Tensor, nn

from sparse_peft.maths.so.sparse_adam import Adam, PlainState, plain_sparse_adam
from sparse_peft.tuners.so.optimizer import SO
from sparse_peft.tuners.so.sampled_gradients import sampled_gradients

BYTES_PER_ENTRY = 17


def state_tensors(so: SO) -> list[Tensor]:
    return [v for state in so.state.values() for v in state.values() if isinstance(v, Tensor)]


@pytest.mark.parametrize("refresh_steps", [1, 7])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_so_at_density_one_is_adam(refresh_steps, weight_decay):
    ours, theirs = net(), net()
    settings = {"lr": 1e-3, "weight_decay": weight_decay}
    so = SO(ours.parameters(), density_ratio=1.0, T=refresh_steps, **settings)
    train(ours, so, batches(100))
    train(theirs, torch.optim.Adam(theirs.parameters(), **settings), batches(100))
    assert difference(ours, theirs) < 1e-6


def oracle_step(weight, gradient, support, memory, t, group):
    """One step on plain dictionaries, from the description of the official code."""
    b1, b2 = group["betas"]
    fresh = {i: gradient[i] + group["weight_decay"] * weight[i] for i in support}
    for i in memory:
        memory[i] = [b1 * memory[i][0], b2 * memory[i][1]]
    for i, g in fresh.items():
        m, v = memory.get(i, [0.0, 0.0])
        memory[i] = [m + (1 - b1) * g, v + (1 - b2) * g * g]
    largest = sorted(memory, key=lambda i: -abs(memory[i][0]))[: len(support)]
    moved = memory if group["prune"] == "after" else largest
    for i in moved:
        m, v = memory[i]
        denominator = math.sqrt(v / (1 - b2**t)) + group["eps"]
        weight[i] -= group["lr"] / (1 - b1**t) * m / denominator
    for i in list(memory):
        if i not in largest:
            del memory[i]


@pytest.mark.parametrize("prune", ["after", "before"])
def test_so_is_the_published_algorithm_for_each_tensor(prune):
    weights = [nn.Parameter(torch.randn(9, 8)), nn.Parameter(torch.randn(5, 2, 6))]
    so = SO(
        [{"params": weights[:1], "T": 3}, {"params": weights[1:], "density_ratio": 0.2}],
        lr=1e-2,
        weight_decay=0.05,
        density_ratio=0.1,
        T=4,
        prune=prune,
    )
    plain = [weight.detach().double().flatten().tolist() for weight in weights]
    memories: list[dict] = [{}, {}]
    generator = torch.Generator().manual_seed(0)
    for t in range(1, 41):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        supports = [so.support(weight).tolist() for weight in weights]
        so.step()
        for number, weight in enumerate(weights):
            gradient = weight.grad.flatten().tolist()
            group = so.param_groups[number]
            oracle_step(plain[number], gradient, supports[number], memories[number], t, group)
    assert [len(memory) for memory in memories] == [7, 12]
    for weight, values in zip(weights, plain, strict=True):
        expected = torch.tensor(values).view(weight.shape)
        torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=2e-6)


def test_a_support_is_kept_for_t_steps_then_drawn_anew():
    weight = nn.Parameter(torch.zeros(100))
    so = SO([weight], T=3)
    seen = []
    for _ in range(7):
        seen.append(so.support(weight).clone())
        weight.grad = torch.ones(100)
        so.step()
    assert all(seen[i].equal(seen[i + 1]) == (i % 3 != 2) for i in range(6))


def test_supports_depend_on_seed_tensor_and_refresh_only():
    def drawn(seed: int) -> list[list[int]]:
        torch.rand(3)  # the global generator plays no part
        weights = [nn.Parameter(torch.zeros(500)) for _ in range(2)]
        so = SO(weights, seed=seed, T=1)
        return [so.support(weight).tolist() for weight in weights]

    assert drawn(0) == drawn(0) != drawn(1)
    assert drawn(0)[0] != drawn(0)[1]


def test_only_sampled_entries_move_at_first_and_every_tensor_keeps_one():
    model, before = net(), net()
    so = SO(model.parameters(), density_ratio=1e-4)
    train(model, so, batches(1))
    for now, then in zip(model.parameters(), before.parameters(), strict=True):
        moved = (now != then).flatten().nonzero().flatten()
        assert so.support(now).numel() == 1
        assert set(moved.tolist()) <= set(so.support(now).tolist())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("density", [0.01, 0.1, 1.0])
def test_state_is_at_most_17_bytes_for_each_kept_entry(density, dtype):
    model = net(dtype)
    so = SO(model.parameters(), density_ratio=density, T=2)
    train(model, so, batches(5))
    kept = sum(so.support(p).numel() for p in model.parameters())
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in state_tensors(so)}
    assert sum(storage.nbytes() for storage in storages.values()) <= BYTES_PER_ENTRY * kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_state_goes_on_bit_for_bit(dtype):
    rows = batches(20)
    whole = net(dtype)
    train(whole, SO(whole.parameters(), lr=1e-2, T=3, seed=5), rows)

    model = net(dtype)
    so = SO(model.parameters(), lr=1e-2, T=3, seed=5)
    train(model, so, rows[:10])
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "so": so.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    again = net(dtype)
    again.load_state_dict(saved["model"])
    other = SO(again.parameters())  # its options come with the state
    other.load_state_dict(saved["so"])
    assert {t.dtype for t in state_tensors(other)} == {torch.int32, torch.float32}
    for left, right in zip(state_tensors(so), state_tensors(other), strict=True):
        assert left.equal(right)
        assert left.data_ptr() != right.data_ptr()
    train(again, other, rows[10:])
    assert difference(again, whole) == 0


def test_strided_weights_are_indexed_like_contiguous_ones():
    plain = nn.Conv2d(4, 5, 3)
    strided = nn.Conv2d(4, 5, 3)
    strided.load_state_dict(plain.state_dict())
    strided.to(memory_format=torch.channels_last)
    assert not strided.weight.is_contiguous()
    x = torch.randn(2, 4, 6, 6)
    for model in (plain, strided):
        so = SO(model.parameters(), lr=1e-2, T=2)
        for _ in range(5):
            so.zero_grad()
            model(x).square().sum().backward()
            so.step()
    torch.testing.assert_close(plain.weight, strided.weight.contiguous(), rtol=1e-4, atol=1e-4)


def test_a_tensor_without_a_gradient_stays_and_its_clock_stands():
    used, unused = nn.Parameter(torch.ones(50)), nn.Parameter(torch.ones(50))
    so = SO([used, unused])
    used.grad = torch.ones(50)
    assert so.step(lambda: 2.5) == 2.5
    assert unused.equal(torch.ones(50))
    assert not so.state[unused]


def test_a_tensor_that_is_none_of_the_parameters_is_named_and_leaves_no_state():
    so = SO([nn.Parameter(torch.ones(3))])
    for question in (so.count, so.support):
        with pytest.raises(
            ValueError, match=r"^SO: this tensor of shape \(5, 4\) is none of its p"
        ):
            question(nn.Parameter(torch.ones(5, 4)))
    assert not so.state


def test_tensors_that_cannot_be_tuned_are_refused():
    with pytest.raises(ValueError, match="floating point"):
        SO([nn.Parameter(torch.ones(3, dtype=torch.int32), requires_grad=False)])
    sparse = nn.Embedding(9, 2, sparse=True)
    so = SO(sparse.parameters())
    sparse(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse=False"):
        so.step()


def plain_states(weights: list[Tensor]) -> list[PlainState]:
    return [
        PlainState(*(torch.zeros(w.numel()).double() for _ in "mv"), torch.zeros(w.numel()) > 0)
        for w in weights
    ]


@pytest.mark.parametrize("prune", ["after", "before"])
@pytest.mark.parametrize(
    ("density", "T"), [(0.002, 10), (0.01, 1), (0.05, 5), (0.3, 7), (1.0, 3), (0.1, 100)]
)
def test_so_in_double_precision_is_its_dense_oracle(density, T, prune):
    """60 steps of three tensors in two groups, with weight decay and every tensor's own support."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(24, 30), (7, 3, 2, 2), (40,)]
    made = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    weights = [nn.Parameter(value) for value in made]
    plain, states = [value.flatten().clone() for value in made], plain_states(made)
    so = SO(
        [{"params": weights[:2]}, {"params": weights[2:], "weight_decay": 0.3, "T": 2, "seed": 4}],
        lr=1e-2, weight_decay=0.05, density_ratio=density, T=T, prune=prune,
    )  # fmt: skip
    for step in range(1, 61):
        for number, weight in enumerate(weights):
            weight.grad = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            group = so.param_groups[number // 2]
            gradient = weight.grad.flatten() + group["weight_decay"] * plain[number]
            mask = torch.zeros(weight.numel(), dtype=torch.bool)
            mask[so.support(weight).long()] = True
            adam = Adam(group["lr"], group["betas"], group["eps"], step)
            plain[number] = plain_sparse_adam(
                plain[number], gradient, mask, states[number], adam, prune
            )
        so.step()
    for weight, expected in zip(weights, plain, strict=True):
        torch.testing.assert_close(weight.detach().flatten(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_so_at_density_one_in_double_precision_is_adam(weight_decay):
    ours, theirs = net(torch.float64), net(torch.float64)
    settings = {"lr": 1e-3, "weight_decay": weight_decay}
    train(ours, SO(ours.parameters(), density_ratio=1.0, T=7, **settings), batches(60))
    train(theirs, torch.optim.Adam(theirs.parameters(), **settings), batches(60))
    assert difference(ours, theirs) < 1e-12


def test_originals_are_remembered_and_given_back_bit_for_bit_while_training_goes_on():
    model, base = net(), net()
    so = SO(model.parameters(), lr=1e-2, T=3, remember=True)
    for _ in range(2):
        train(model, so, batches(7))
        assert difference(model, base) > 0
        so.restore()
        assert difference(model, base) == 0


def test_a_later_group_is_remembered_too():
    first, later = nn.Parameter(torch.ones(50)), nn.Parameter(torch.ones(50))
    so = SO([first], remember=True)
    so.add_param_group({"params": [later]})
    later.grad = torch.ones(50)
    so.step()
    so.restore()
    assert torch.equal(later, torch.ones(50))


def test_what_was_not_remembered_cannot_be_given_back():
    model = net()
    so = SO(model.parameters())
    with pytest.raises(ValueError, match="remember=True"):
        so.restore()
    train(model, so, batches(1))
    with pytest.raises(ValueError, match="without the originals"):
        SO(model.parameters(), remember=True).load_state_dict(so.state_dict())


def test_a_density_that_changes_while_training_is_refused():
    weight = nn.Parameter(torch.zeros(100))
    so = SO([weight], T=1)
    weight.grad = torch.ones(100)
    so.step()
    so.param_groups[0]["density_ratio"] = 0.5
    with pytest.raises(ValueError, match="density_ratio cannot change"):
        so.step()


def test_a_group_that_is_refused_leaves_nothing_behind():
    so = SO([nn.Parameter(torch.zeros(3))])
    for wrong in ({"T": 0}, {"density_ratio": "all"}):
        with pytest.raises((ValueError, TypeError)):
            so.add_param_group({"params": [nn.Parameter(torch.zeros(5))], **wrong})
    assert len(so.param_groups) == 1
    so.refresh()
    so.add_param_group({"params": [nn.Parameter(torch.zeros(5))]})
    assert len(so.param_groups) == 2


@pytest.mark.parametrize("way", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("fast", [False, True])
def test_a_copy_of_model_and_optimizer_trains_on_as_they_do(way, fast):
    model, rows = net(torch.float64), batches(20)
    so = SO(model.parameters(), lr=1e-2, T=3, remember=True)
    if fast:
        sampled_gradients(model, so)
    train(model, so, rows[:10])
    again, other = way((model, so))
    train(model, so, rows[10:])
    assert difference(model, again) > 0
    train(again, other, rows[10:])
    assert difference(model, again) < 1e-12
    other.restore()
    assert difference(again, net(torch.float64)) == 0


def test_a_copy_of_the_optimizer_alone_steps_and_clears():
    so = SO(net().parameters())
    for other in (copy.deepcopy(so), pickle.loads(pickle.dumps(so))):
        [group] = other.param_groups
        for param in group["params"]:
            param.grad = torch.ones_like(param)
        other.step()
        other.zero_grad()
        assert all(param.grad is None for param in group["params"])
