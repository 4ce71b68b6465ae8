"""The head on a vision backbone: one attachment with a method, and its own file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sparse_peft.errors import BackboneError
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Attachment, Plan
from sparse_peft.methods.so import SO
from sparse_peft.tasks.fewshot.head import Head, HeadedAttachment, Together, read_head
from sparse_peft.tasks.fewshot.recipe import ClassTraining
from sparse_peft.tasks.loop import Progress, fit

CPU = torch.device("cpu")
METHODS = {"lora": LoRA(rank=2), "so": SO(density=0.2, T=2)}


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.full((1, 6), 0.1))
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.second(torch.tanh(self.first(x + self.cls_token)))
        return found


class Learning:
    """A task of three classes on a head."""

    def __init__(self, tower: Tower, head: Head) -> None:
        self._tower, self._head = tower, head
        source = torch.Generator().manual_seed(1)
        self._x = torch.randn(12, 6, generator=source)
        self._y = torch.arange(12) % 3

    def loss(self, step: int, micro: int) -> Tensor:  # noqa: ARG002
        return F.cross_entropy(self._head(self._tower(self._x)), self._y)


class Plain:
    """An accelerator that does nothing of its own."""

    scaler = None

    def autocast(self) -> Any:
        return torch.autocast("cpu", enabled=False)

    def backward(self, loss: Tensor) -> None:
        loss.backward()


class Bench:
    def __init__(self, method: str, token: bool = True, **settings: Any) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.tower = Tower()
        self.parts: dict[str, nn.Module] = {"visual": self.tower.requires_grad_(False)}
        targets = ["visual/first", "visual/second"]
        attached = METHODS[method].attach(self.parts, targets, Plan(6, 1))
        attached.optimizer(LR)
        self.method = attached
        self.head = Head(8, 3, 5, CPU, self.tower.cls_token if token else None)
        self.whole = HeadedAttachment(
            attached, self.head, settings.pop("head_lr", None), settings.pop("decay", 0.0)
        )
        self.whole.optimizer(LR)
        self.training = ClassTraining(lr=LR, seed=1, steps=6, sample_every=99, **settings)
        self.progress = Progress()

    def train(self, steps: int) -> list[float]:
        """As the loop does it, to a step."""
        left = [None if step < steps else "keep" for step in range(self.progress.step, 7)]
        fit(
            Learning(self.tower, self.head), self.whole, self.training, Plain(), self.progress,
            emit=lambda *_, **__: None, should_stop=lambda: left.pop(0),
            save=lambda _: None, sample=lambda _: None,
        )  # fmt: skip
        return self.progress.all_losses


LR = 0.05


@pytest.mark.parametrize("method", METHODS)
def test_the_loop_moves_method_head_and_token_as_one(method: str) -> None:
    bench = Bench(method, max_grad_norm=1.0)
    assert isinstance(bench.whole, Attachment)
    before = {name: value.clone() for name, value in bench.head.values.items()}
    losses = bench.train(6)
    assert losses[-1] < losses[0]
    assert all(not torch.equal(value, before[n]) for n, value in bench.head.values.items())
    assert float(bench.whole.change("visual/first").abs().max()) > 0
    assert bench.whole.measured() == bench.method.measured()
    assert len(bench.whole.leaves()) == len(bench.method.leaves()) + 3
    bench.whole.remove(keep=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = Tower().state_dict()
    assert all(torch.equal(t, fresh[n]) for n, t in bench.tower.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_a_state_taken_half_way_goes_on_bit_for_bit(method: str) -> None:
    whole = Bench(method, warmup=0.5, head_lr=0.2, decay=0.1)
    losses = whole.train(6)
    first = Bench(method, warmup=0.5, head_lr=0.2, decay=0.1)
    first.train(3)
    state = first.whole.state()
    assert all(value.device.type == "cpu" for value in state.values())
    first.train(4)
    second = Bench(method, warmup=0.5, head_lr=0.2, decay=0.1)
    second.whole.load(state)
    second.progress = Progress(step=3, all_losses=losses[:3])
    assert second.train(6) == losses
    again, wanted = second.whole.state(), whole.whole.state()
    assert again.keys() == wanted.keys()
    assert all(torch.equal(value, again[name]) for name, value in wanted.items())


def test_a_head_has_its_own_rate_and_decay() -> None:
    weight, head = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    own, other = (
        torch.optim.SGD([{"params": [part], "weight_decay": decay}], lr=1.0)
        for part, decay in ((weight, 0.0), (head, 0.5))
    )
    both = Together(own, other, ratio=10.0)
    for _ in range(2):
        for group in both.param_groups:
            group["lr"] = 0.01  # as the loop does before each step
        weight.grad, head.grad = torch.ones(2, 2), torch.ones(2)
        both.step()
        both.zero_grad()
    assert weight.grad is None
    assert head.grad is None
    torch.testing.assert_close(weight.detach(), torch.full((2, 2), 0.98))
    once = 1 - 0.1 * 1.5
    torch.testing.assert_close(head.detach(), torch.full((2,), once - 0.1 * (1 + 0.5 * once)))


def test_gradients_are_clipped_by_their_common_norm() -> None:
    bench = Bench("lora")
    for leaf in bench.whole.leaves():
        leaf.grad = torch.ones_like(leaf)
    count = sum(leaf.numel() for leaf in bench.whole.leaves())
    bench.whole.clip(0.5)
    for leaf in bench.whole.leaves():
        assert leaf.grad is not None
        torch.testing.assert_close(leaf.grad, torch.full_like(leaf, 0.5 / count**0.5))


def test_a_head_begins_alike_for_every_method_and_differs_by_seed() -> None:
    one, same, other = (Head(8, 3, seed, CPU) for seed in (1, 1, 2))
    assert torch.equal(one.weight, same.weight)
    assert not torch.equal(one.weight, other.weight)
    assert one.bias.count_nonzero() == 0


def test_what_is_saved_classifies_and_lends_its_token(tmp_path: Path) -> None:
    bench = Bench("so")
    bench.train(4)
    bench.whole.save(tmp_path)
    assert (tmp_path / "visual").is_dir()
    assert set(load_file(tmp_path / "head.safetensors")) == {"weight", "bias", "cls_token"}
    found = read_head(tmp_path, 8, 3, CPU)
    features = torch.randn(4, 8)
    with torch.no_grad():
        torch.testing.assert_close(found.logits(features), bench.head(features))
    token = nn.Parameter(torch.zeros(1, 6))
    end = found.lend_token(token)
    assert torch.equal(token, bench.tower.cls_token)
    end()
    assert token.count_nonzero() == 0
    with pytest.raises(BackboneError, match="a class token that the backbone does not have"):
        found.lend_token(None)
    with pytest.raises(BackboneError, match="one score for each of 4 classes on 8 features"):
        read_head(tmp_path, 8, 4, CPU)
    save_file({"weight": torch.zeros(3, 8), "bias": torch.zeros(3)}, tmp_path / "head.safetensors")
    assert read_head(tmp_path, 8, 3, CPU).lend_token(None)() is None


@pytest.mark.parametrize("method", METHODS)
def test_a_state_from_before_the_first_step_leaves_no_moments_behind(method: str) -> None:
    bench = Bench(method)
    start = bench.whole.state()
    losses = bench.train(4)
    bench.whole.load(start)
    bench.progress = Progress()
    assert bench.train(4) == losses
