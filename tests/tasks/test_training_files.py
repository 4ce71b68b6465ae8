"""Checkpoints, and the report that every training leaves."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from sparse_peft.methods.lora import LoRA
from sparse_peft.methods.method import Attachment, Plan
from sparse_peft.tasks.loop import Progress
from sparse_peft.tasks.training_files import resumed, save_adapter, saver
from tests.tasks.local_job import LocalJob

PLAN = Plan(4, 0)


def attached() -> tuple[nn.Module, Attachment]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 50))
    attachment = LoRA(rank=2).attach({"unet": model}, ["unet/0"], PLAN)
    attachment.optimizer(0.1)
    return model, attachment


def test_a_checkpoint_gives_back_all_that_progress_holds(tmp_path: Path) -> None:
    _, attachment = attached()
    job = LocalJob(tmp_path, PLAN)
    assert resumed(job, attachment) == Progress()
    progress = Progress(
        step=3, seconds=1.5, losses=[(1, 0.5), (3, 0.25)], step_ms=[1.0, 2.0, 3.0],
        all_losses=[0.5, 0.3, 0.25], history=[{"step": 2, "accuracy": 0.5}], scaler={"scale": 4.0},
    )  # fmt: skip
    torch.manual_seed(5)
    saver(job, attachment)(progress)
    drawn = torch.rand(3)
    _, other = attached()
    assert resumed(job, other) == progress
    assert torch.equal(torch.rand(3), drawn)


def test_the_map_is_darkest_where_a_weight_changed_most(tmp_path: Path) -> None:
    model, attachment = attached()
    with torch.no_grad():
        for name, param in model.named_parameters():
            if "lora" in name:
                param.zero_()
                param[-1 if "lora_A" in name else 0, 0] = 1.0
    a, b = (p for n, p in model.named_parameters() if "lora" in n)
    with torch.no_grad():
        a.zero_()
        b.zero_()
        a[0, 59] = b[0, 0] = 1.0  # the change is at row 0 and column 59
    base = {"id": "toy", "sha256": "0" * 64}
    save_adapter(tmp_path, attachment, LoRA(rank=2), base, {"unet/0": (50, 60)}, PLAN)
    with Image.open(tmp_path / "change.png") as image:
        ink = np.asarray(image)
    assert ink.shape == (48, 48)
    assert ink[0, 47] == 0
    assert ink[10:, :40].min() == 255
    assert (tmp_path / "adapter" / "adapter.json").exists()
