import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sparse_peft.errors import BackboneError
from sparse_peft.methods.method import Plan
from sparse_peft.methods.so import SO
from sparse_peft.tuners.adapter_tensors import add_differences
from sparse_peft.tuners.attachments.so import SOAttachment
from sparse_peft.tuners.layout import DELTA_NAME
from sparse_peft.tuners.so.gradient_view import GradientView

TARGETS = ("net/conv", "net/linear")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 40, 3)
        self.norm = nn.GroupNorm(4, 40)
        self.linear = nn.Linear(40 * 16, 60)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x)).flatten(1))


def components(dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"net": Net().to(dtype)}


def run(parts: dict[str, nn.Module], attachment: SOAttachment, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    optimizer = attachment.optimizer(1e-3)
    dtype = parts["net"].linear.weight.dtype
    for number in range(steps):
        attachment.before_forward(number)
        x = torch.randn(8, 3, 6, 6, generator=generator).to(dtype)
        parts["net"](x).float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize(("density", "T", "steps"), [(0.02, 1, 40), (0.005, 5, 200), (0.1, 10, 25)])
def test_the_estimated_support_is_within_two_per_cent_of_a_real_run(density, T, steps):
    method, parts = SO(density=density, T=T), components()
    plan = Plan(steps=steps, seed=0)
    shapes = {"net/conv": (40, 3, 3, 3), "net/linear": (60, 640)}
    expected = method.footprint(shapes, plan)
    attachment = method.attach(parts, TARGETS, plan)
    run(parts, attachment, steps)
    measured = attachment.measured()
    assert measured.support == pytest.approx(expected.support, rel=0.02)
    assert measured.stored == pytest.approx(expected.stored, rel=0.02)
    assert measured.active == expected.active
    nonzero = sum(int((attachment.change(target) != 0).sum()) for target in TARGETS)
    assert nonzero == measured.support


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_of_any_shape_and_type_come_back_bit_for_bit(dtype):
    parts = components(dtype)
    before = {key: value.clone() for key, value in parts["net"].state_dict().items()}
    attachment = SO(density=0.1, T=2).attach(parts, TARGETS, Plan(steps=9, seed=0))
    run(parts, attachment, 9)
    changed = {k for k, v in parts["net"].state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"conv.weight", "linear.weight"}
    attachment.remove(keep=False)
    assert all(torch.equal(v, before[k]) for k, v in parts["net"].state_dict().items())
    assert "forward" not in vars(parts["net"].linear)


def test_no_dense_gradient_is_left_behind():
    parts = components()
    attachment = SO(density=0.1).attach(parts, TARGETS, Plan(steps=1, seed=0))
    attachment.optimizer(1e-3)
    net = parts["net"]
    net(torch.randn(2, 3, 6, 6)).sum().backward()
    assert {type(net.conv.weight.grad), type(net.linear.weight.grad)} == {GradientView}
    assert net.conv.bias.grad is net.linear.bias.grad is net.norm.weight.grad is None


def test_clipping_bounds_the_norm_of_all_sampled_values():
    parts = components()
    attachment = SO(density=0.1).attach(parts, TARGETS, Plan(steps=1, seed=0))
    so = attachment.optimizer(1e-3)
    (100 * parts["net"](torch.randn(2, 3, 6, 6)).square().sum()).backward()
    attachment.clip(0.5)
    norm = torch.cat([leaf.grad for leaf in so.sampled.values()]).norm()
    torch.testing.assert_close(norm, torch.tensor(0.5))


def test_its_state_needs_its_optimizer():
    attachment = SO().attach(components(), TARGETS, Plan(steps=1, seed=0))
    with pytest.raises(ValueError, match="make the optimizer first"):
        attachment.state()


def test_a_small_change_of_double_weights_is_saved_and_opened_as_it_is(tmp_path):
    parts, fresh = components(torch.float64), components(torch.float64)
    attachment = SO(density=0.1).attach(parts, TARGETS, Plan(steps=3, seed=0))
    so = attachment.optimizer(1e-9)
    parts["net"](torch.randn(2, 3, 6, 6).double()).square().sum().backward()
    so.step()
    attachment.save(tmp_path)
    tensors = load_file(tmp_path / "net" / DELTA_NAME)
    remove = add_differences(fresh, TARGETS, {"net": tensors}, tmp_path)
    base = components(torch.float64)["net"].linear.weight
    wanted = parts["net"].linear.weight - base
    assert wanted.abs().max() > 0
    torch.testing.assert_close(fresh["net"].linear.weight - base, wanted, rtol=2e-7, atol=1e-15)
    assert attachment.change("net/linear").count_nonzero() == wanted.count_nonzero()
    remove()
    assert torch.equal(fresh["net"].linear.weight, base)


def test_differences_that_overflow_a_half_are_refused_and_change_nothing(tmp_path):
    parts, before = components(torch.float16), components(torch.float16)
    where = torch.zeros(1, dtype=torch.int32)
    tensors = {
        f"{name}.{part}": value
        for name, size in (("conv", 1.0), ("linear", 1e6))
        for part, value in (("index", where), ("difference", torch.tensor([size])))
    }
    with pytest.raises(BackboneError, match=r"overflows torch\.float16"):
        add_differences(parts, TARGETS, {"net": tensors}, tmp_path)
    assert all(map(torch.equal, parts["net"].parameters(), before["net"].parameters()))
