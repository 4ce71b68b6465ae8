"""On a CUDA device: each method trains in bf16, and none waits for the device within a step."""

from pathlib import Path

import pytest
import torch

from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Attachment, Plan
from tests.small_models import save_sd, save_sdxl

METHODS = {"lora": {"rank": 2}, "waveft": {"coefficients": 40}, "so": {"density": 0.02, "T": 2}}


def step(backbone: diffusion.Diffusion, attachment: Attachment, number: int) -> torch.Tensor:
    """One training step without reading its loss."""
    device = backbone.device
    latents, noise = (torch.randn(2, 4, 16, 16, device=device) for _ in range(2))
    words = {"text": torch.randn(2, 16, 64 if backbone.is_sdxl else 32, device=device)}
    if backbone.is_sdxl:
        words |= {"pooled": torch.randn(2, 32, device=device)}
        words |= {"time_ids": torch.full((2, 6), 32.0, device=device)}
    time = torch.tensor([10, 500], device=device)
    attachment.before_forward(number)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.autocast("cuda", torch.bfloat16):
            noisy, target = backbone.add_noise(latents, noise, time)
            loss = (backbone.predict(noisy, time, words) - target).square().mean()
        loss.backward()
        attachment.clip(1.0)
        attachment.optimizer(1e-3).step()
        attachment.after_step(number)
        attachment.optimizer(1e-3).zero_grad(set_to_none=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return loss.detach()


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["sd", "sdxl"])
@pytest.mark.parametrize("name", list(METHODS))
def test_each_method_trains_in_bf16_without_waiting(name: str, kind: str, tmp_path: Path) -> None:
    folder = (save_sd if kind == "sd" else save_sdxl)(tmp_path / "model")
    found = source.resolve(str(folder))
    backbone = diffusion.load(found, torch.device("cuda"), with_text=False)
    backbone.schedule.alphas_cumprod = backbone.schedule.alphas_cumprod.cuda()
    shapes = source.shapes(found, "attention+ff")
    method = method_named(name)(**METHODS[name])  # type: ignore[call-arg]
    attachment = method.attach(backbone.components, list(shapes), Plan(3, 0))
    attachment.optimizer(1e-3)
    losses = torch.stack([step(backbone, attachment, number) for number in range(3)])
    assert losses.isfinite().all()
    assert attachment.measured().active == method.footprint(shapes, Plan(3, 0)).active
    assert any(attachment.change(target).abs().max() > 0 for target in shapes)
