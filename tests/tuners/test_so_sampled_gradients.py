import pytest
import torch
from small_nets import batches, difference, loss, net
from torch import Tensor, nn

from sparse_peft.tuners.sampled_gradients import sampled_gradients
from sparse_peft.tuners.so import SO

# At 1.0 every Linear takes the fast path; at 0.0 every weight makes its dense gradient first.
both_ways = pytest.mark.parametrize("densest", [1.0, 0.0])


@both_ways
def test_sampled_gradients_equal_the_dense_path_with_accumulation_and_clipping(densest):
    dense, fast = net(), net()
    options = {"lr": 1e-2, "density_ratio": 0.2, "T": 4, "weight_decay": 0.01}
    slow, quick = (SO(model.parameters(), **options) for model in (dense, fast))
    handle = sampled_gradients(fast, quick, densest=densest)
    for batch in batches(30):
        for half in batch.split(4):
            loss(dense, half).backward()
            loss(fast, half).backward()
        assert all(param.grad is None for param in fast.parameters())
        for param in dense.parameters():  # what the fast path never had
            mask = torch.zeros(param.numel(), dtype=torch.bool)
            mask[slow.support(param).long()] = True
            param.grad *= mask.view(param.shape)
        norms = (
            nn.utils.clip_grad_norm_(dense.parameters(), 0.5),
            nn.utils.clip_grad_norm_(quick.sampled.values(), 0.5),
        )
        torch.testing.assert_close(*norms, rtol=1e-4, atol=1e-6)
        slow.step()
        quick.step()
        slow.zero_grad()
    assert difference(dense, fast) < 1e-4
    handle.remove()
    loss(fast, batches(1)[0]).backward()
    assert all(param.grad is not None for param in fast.parameters())
    assert not quick.sampled


def test_sampled_gradients_never_make_a_weight_gradient_of_a_linear():
    model = nn.Linear(40, 50)
    so = SO([model.weight], density_ratio=0.01)
    sampled_gradients(model, so)
    made: list[tuple[int, ...]] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            results = result if isinstance(result, tuple | list) else [result]
            made.extend(tuple(r.shape) for r in results if isinstance(r, Tensor))
            return result

    x = torch.randn(7, 40, requires_grad=True)
    y = model(x)
    with Watch():
        y.square().sum().backward()
    assert x.grad is not None
    assert made
    assert (50, 40) not in made
    assert (40, 50) not in made


def test_a_weight_of_which_much_is_sampled_makes_one_dense_product():
    model = nn.Sequential(nn.Linear(40, 50), nn.Linear(50, 40))
    groups = [{"params": [model[0].weight], "density_ratio": 0.01}]
    groups += [{"params": [model[1].weight], "density_ratio": 0.02}]
    sampled_gradients(model, SO(groups))
    assert "forward" in vars(model[0])
    assert "forward" not in vars(model[1])


@both_ways
def test_zero_grad_forgets_sampled_gradients(densest):
    model = nn.Linear(5, 5)
    so = SO(model.parameters())
    sampled_gradients(model, so, densest=densest)
    model(torch.randn(3, 5)).sum().backward()
    so.zero_grad()
    before = model.weight.clone()
    so.step()
    assert torch.equal(model.weight, before)


@both_ways
def test_sampled_gradients_follow_autocast(densest):
    torch.manual_seed(0)
    dense, fast = nn.Linear(16, 16), nn.Linear(16, 16)
    fast.load_state_dict(dense.state_dict())
    so = SO(fast.parameters(), density_ratio=0.3)
    sampled_gradients(fast, so, densest=densest)
    x = torch.randn(64, 16)
    for model in (dense, fast):
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x)
        assert y.dtype == torch.bfloat16
        y.float().square().mean().backward()
    expected = dense.weight.grad.flatten()[so.support(fast.weight).long()]
    torch.testing.assert_close(so.sampled[fast.weight].grad, expected, rtol=2e-2, atol=1e-3)


def test_a_tied_weight_gets_the_gradients_of_all_its_uses():
    torch.manual_seed(0)
    embedding, linear = nn.Embedding(10, 6), nn.Linear(6, 10, bias=False)
    linear.weight = embedding.weight
    model = nn.Sequential(embedding, linear)
    batch = torch.tensor([1, 2, 3, 3])
    model(batch).square().sum().backward()
    expected = embedding.weight.grad.clone()
    embedding.weight.grad = None
    so = SO([embedding.weight], density_ratio=0.5)
    sampled_gradients(model, so, densest=1.0)
    model(batch).square().sum().backward()
    at_support = expected.flatten()[so.support(embedding.weight).long()]
    torch.testing.assert_close(so.sampled[embedding.weight].grad, at_support)


@pytest.mark.gpu
@both_ways
def test_a_step_on_cuda_waits_for_nothing(densest):
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 8)).cuda()
    so = SO(model.parameters(), T=2)
    sampled_gradients(model, so, densest=densest)
    x = torch.randn(32, 64, device="cuda")
    for number in range(6):
        if number == 2:
            torch.cuda.set_sync_debug_mode("error")
        model(x).square().sum().backward()
        nn.utils.clip_grad_norm_(so.sampled.values(), 1.0)
        so.step()
    torch.cuda.set_sync_debug_mode("default")
