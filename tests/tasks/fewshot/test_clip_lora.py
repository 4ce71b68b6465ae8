"""CLIP-LoRA as published, against a plain implementation of its formulas.

Zanella and Ben Ayed 2024, arXiv:2405.18541: the weights of q, k and v gain alpha / sqrt(r) B A, the
input of that branch alone is dropped out, AdamW(2e-4, weight decay 1e-2), a cosine to 1e-6 over all
steps, cross entropy of 100 cos. The plain side is open_clip's own model with its packed weights.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sparse_peft import presets
from sparse_peft.backbones.clip import model as clip
from sparse_peft.backbones.clip import source as clip_source
from sparse_peft.backbones.clip.model import Clip
from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Attachment, Plan
from sparse_peft.planning.classes import class_training
from sparse_peft.tuners.targets import module_at
from tests.small_clips import VIT, batch, config, rows, save_clip

RANK, ALPHA, LR, DECAY, STEPS = 2, 1.0, 2e-4, 1e-2, 3
LABELS = torch.tensor([2, 0, 1])
Factors = dict[str, tuple[Tensor, Tensor]]


@pytest.fixture
def made(tmp_path: Path) -> tuple[Clip, dict[str, tuple[int, ...]], Any]:
    """Ours and open_clip's, in double precision."""
    theirs = save_clip(tmp_path, config(VIT)).double().requires_grad_(False)
    source = clip_source.resolve(str(tmp_path))
    ours = clip.load(source, torch.device("cpu"), "qkv")
    return ours, clip_source.shapes(source, "qkv"), theirs


def attached(
    ours: Clip, shapes: dict[str, tuple[int, ...]], dropout: float = 0.0
) -> tuple[Attachment, Factors]:
    """CLIP-LoRA at work on ours, in double precision, and its factors, none of them zero."""
    method = LoRA(rank=RANK, alpha=ALPHA, rslora=True, dropout=dropout, weight_decay=DECAY)
    attachment = method.attach(ours.components, list(shapes), Plan(STEPS, 0))
    source = torch.Generator().manual_seed(5)
    factors: Factors = {}
    for part in ours.components.values():
        part.double()
    for target in shapes:
        layer: Any = module_at(ours.components, target)
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        with torch.no_grad():
            b.copy_(0.05 * torch.randn(b.shape, generator=source))
        factors[target] = (a, b)
    return attachment, factors


def plain_loss(theirs: Any, factors: Factors) -> Tensor:
    """The published loss, on packed weights and prompts of full length."""
    changed: dict[str, Tensor] = {}
    weights = dict(theirs.named_parameters())
    for target in factors:
        tower, _, path = target.partition("/")
        block = path.removesuffix(".q_proj")
        if block == path:
            continue
        name = f"{block}.in_proj_weight" if tower == "text" else f"visual.{block}.in_proj_weight"
        products = []
        for letter in "qkv":
            a, b = factors[f"{tower}/{block}.{letter}_proj"]
            products.append(ALPHA / math.sqrt(RANK) * b @ a)
        changed[name] = weights[name] + torch.cat(products)
    settings = theirs.visual.preprocess_cfg
    mean, std = (torch.tensor(settings[n]).view(3, 1, 1) for n in ("mean", "std"))
    pictures = ((batch(32).double() + 1) / 2 - mean) / std
    whole = functional_call(theirs, changed, (pictures, rows()))
    seen, read = (F.normalize(features, dim=1) for features in whole[:2])
    logits = 100 * seen @ read.T
    return -logits.log_softmax(1)[range(3), LABELS].mean()


def our_loss(ours: Clip) -> Tensor:
    tokens = rows()[:, : int(rows().argmax(1).max()) + 1]
    logits = 100 * ours.pictures(batch(32).double()) @ ours.texts(tokens).T
    return F.cross_entropy(logits, LABELS)


def plain_adamw(
    value: Tensor, gradient: Tensor, m: Tensor, v: Tensor, step: int, lr: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One step, counted from 1, with PyTorch's usual betas and epsilon."""
    m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
    move = m / (1 - 0.9**step) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
    return value * (1 - lr * DECAY) - lr * move, m, v


def cosine(step: int) -> float:
    return 1e-6 + (LR - 1e-6) * (1 + math.cos(math.pi * step / STEPS)) / 2


def test_forward_gradients_and_steps_are_those_of_the_formulas(made: Any) -> None:
    ours, shapes, theirs = made
    attachment, factors = attached(ours, shapes)
    assert len(factors) == 12  # q, k, v of two layers of two towers
    plain = {
        target: tuple(factor.detach().clone().requires_grad_(True) for factor in pair)
        for target, pair in factors.items()
    }
    moments = {t: [(torch.zeros_like(f), torch.zeros_like(f)) for f in plain[t]] for t in plain}
    optimizer = attachment.optimizer(LR)
    for step in range(STEPS):
        loss, expected = our_loss(ours), plain_loss(theirs, plain)
        torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
        loss.backward()
        expected.backward()
        for group in optimizer.param_groups:
            group["lr"] = cosine(step)
        for target, pair in plain.items():
            for number, (mine, other) in enumerate(zip(factors[target], pair, strict=True)):
                assert other.grad.abs().max() > 1e-6
                torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=1e-10)
                m, v = moments[target][number]
                value, m, v = plain_adamw(other.data, other.grad, m, v, step + 1, cosine(step))
                other.data, other.grad, moments[target][number] = value, None, (m, v)
        optimizer.step()
        optimizer.zero_grad()
        for target, pair in plain.items():
            for mine, other in zip(factors[target], pair, strict=True):
                torch.testing.assert_close(mine.data, other.data, rtol=0, atol=1e-10)


def test_nothing_but_q_k_and_v_changes(made: Any) -> None:
    ours, shapes, _ = made
    before = {name: value.double() for name, value in ours.checkpoint().items()}
    attachment, _ = attached(ours, shapes)
    for part in ours.components.values():
        outs = [m for name, m in part.named_modules() if name.endswith("attn.out_proj")]
        assert len(outs) == 2
        assert all(type(module) is nn.Linear for module in outs)
    optimizer = attachment.optimizer(LR)
    for _ in range(STEPS):
        our_loss(ours).backward()
        optimizer.step()
        optimizer.zero_grad()
    attachment.remove(keep=True)
    after = ours.checkpoint()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.endswith("attn.in_proj_weight")}
    assert all("out_proj" not in name for name in changed)


def test_dropout_is_on_the_input_of_the_branch_alone_and_its_own_for_each(made: Any) -> None:
    ours, shapes, _ = made
    _, factors = attached(ours, shapes, dropout=0.25)
    x = torch.randn(2, 5, 64, dtype=torch.float64)
    torch.manual_seed(3)
    found = []
    for letter in "qk":
        found.append(
            module_at(ours.components, f"visual/transformer.resblocks.0.attn.{letter}_proj")(x)
        )
    torch.manual_seed(3)
    for letter, result in zip("qk", found, strict=True):
        target = f"visual/transformer.resblocks.0.attn.{letter}_proj"
        base: Any = module_at(ours.components, target)
        a, b = factors[target]
        kept = (torch.empty_like(x).bernoulli_(0.75) / 0.75) * x
        expected = F.linear(x, base.base_layer.weight, base.base_layer.bias)
        expected = expected + ALPHA / math.sqrt(RANK) * kept @ a.T @ b.T
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_the_preset_is_the_published_recipe() -> None:
    preset = presets.preset("clip-lora", "fewshot", "clip")
    training = class_training(preset, preset.method("lora").lr, shots=4, steps=None, seed=1)
    assert (training.steps, training.batch_size, training.max_grad_norm) == (2000, 32, None)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2000, eta_min=1e-6)
    for step in range(2000):
        assert training.learning_rate(step) == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        schedule.step()
    shared = preset.shared
    assert (shared.targets, shared.scale, shared.template) == ("qkv", 100.0, "a photo of a {}.")
    assert (shared.augmentation, shared.smallest_crop) == ("crop+flip", 0.08)
    assert preset.method("lora").fields == {
        "alpha": 1.0, "rslora": True, "dropout": 0.25, "weight_decay": 1e-2,
    }  # fmt: skip
