"""A small network, trained with one of PEFT's methods here or by PEFT alone."""

from pathlib import Path

import peft
import torch
from torch import Tensor, nn

from sparse_peft.methods.method import Attachment, Method, Plan

PLAN = Plan(steps=6, seed=2)
TARGETS = ("net/0", "net/2")
SHAPES = {"net/0": (18, 12), "net/2": (8, 18)}
LR = 2e-2


def components(dtype: torch.dtype = torch.float32) -> dict[str, nn.Module]:
    """The same network each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {"net": nn.Sequential(nn.Linear(12, 18), nn.Tanh(), nn.Linear(18, 8)).to(dtype)}


def inputs() -> Tensor:
    """What it is asked."""
    return torch.randn(9, 12, generator=torch.Generator().manual_seed(1))


def loss(net: nn.Module) -> Tensor:
    """How far it is from some answers."""
    wanted = torch.randn(9, 8, generator=torch.Generator().manual_seed(3))
    return (net(inputs()) - wanted).square().mean()


def trained(
    method: Method, parts: dict[str, nn.Module], plan: Plan = PLAN, *, halves: bool = False
) -> Attachment:
    """The method at work, after the plan's steps as the training loop takes them."""
    attachment = method.attach(parts, TARGETS, plan)
    optimizer = attachment.optimizer(LR)
    for step in range(plan.steps):
        attachment.before_forward(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=halves):
            value, penalty = loss(parts["net"]), attachment.penalty()
        (value if penalty is None else value + penalty).backward()
        optimizer.step()
        attachment.after_step(step)
        optimizer.zero_grad()
    return attachment


def trained_by_peft(config: peft.PeftConfig, folder: Path) -> Tensor:
    """A folder that PEFT has written on its own, and what its network says."""
    config.target_modules = ["0", "2"]
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = peft.get_peft_model(components()["net"], config)
    trainable = [param for param in model.parameters() if param.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=LR)
    for _ in range(PLAN.steps):
        loss(model).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(str(folder))
    answer: Tensor = model(inputs()).detach()
    return answer
