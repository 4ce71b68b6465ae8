"""The UNet: v-prediction with zero terminal SNR on the latents, conditioned by the text tower."""

import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from . import words
from .convert import text_model
from .pool import load_pool
from .scenes import Scene, caption, nonsense
from .training import Training, generator, pixels
from .vae import build as build_vae

DROPPED, TOKENED, PLACELESS = (
    0.10,
    0.25,
    0.12,
)  # shares of captions: empty, with a nonsense word, without the place
MIN_SNR, FLOOR = 5.0, 0.05
BATCH = 24


def build() -> UNet2DConditionModel:
    """11 million weights; cross-attention at 8 x 8 and 4 x 4."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        cross_attention_dim=192,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """The noise schedule of the shipped pipeline."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def said(scene: Scene, rng: np.random.Generator) -> str:
    """The caption a training step sees."""
    if rng.random() < DROPPED:
        return ""
    token = nonsense(rng) if rng.random() < TOKENED else None
    return caption(scene, rng, place=bool(rng.random() >= PLACELESS), token=token)


@torch.no_grad()
def latents(folder: Path, device: torch.device) -> Tensor:
    """The pool's latents at unit variance, computed once."""
    path = folder / "latents.pt"
    if path.exists():
        return torch.load(path, weights_only=True)["latents"].to(device)
    vae = trained_vae(folder).to(device)
    pictures, _ = load_pool(folder, "known")
    parts = [
        vae.encode(pixels(pictures[i : i + 200], device)).latent_dist.mode().half()
        for i in range(0, len(pictures), 200)
    ]
    rows = torch.cat(parts)
    std = rows.float().std()
    torch.save({"latents": (rows.float() / std).half().cpu(), "std": std.cpu()}, path)
    print(f"latents: mean {rows.float().mean((0, 2, 3)).tolist()} std {std.item():.4f}", flush=True)
    return (rows.float() / std).half()


def trained_vae(folder: Path) -> AutoencoderKL:
    """The autoencoder as `vae` left it, its decoder as `decoder` improved it where that ran."""
    checkpoint = next(p for p in (folder / "decoder.pt", folder / "vae.pt") if p.exists())
    state = torch.load(checkpoint, weights_only=True)["average"]
    vae = build_vae(state["quant_conv.weight"].shape[0] // 2)
    vae.load_state_dict(state)
    return vae.eval()


def conditioner(folder: Path) -> CLIPTextModel:
    """The frozen text tower of `clip`, in transformers' form."""
    return text_model(words.trained_clip(folder, "clip")).requires_grad_(False).eval()


def _weights(alphas: Tensor) -> Tensor:
    """Min-SNR weights for v-prediction (Hang et al. 2023, arXiv:2303.09556)."""
    snr = alphas / (1 - alphas)
    return (snr.clamp(max=MIN_SNR) / (snr + 1)).clamp(min=FLOOR)


def train(folder: Path, total: int, device: torch.device) -> None:
    """Train the UNet; the text tower and the encoder stay as they are for good."""
    text_tower, unet = conditioner(folder).to(device), build().to(device)
    tokenize = words.for_transformers(words.folder_of(folder, "clip"))
    rows = latents(folder, device)
    _, shown = load_pool(folder, "known")
    alphas = scheduler().alphas_cumprod.to(device)
    training = Training("unet", folder, unet, 1e-3, total, 0.9985)
    started, first, mean = time.monotonic(), training.step, 0.0
    for step in training.steps(250):
        rng, noise_source = np.random.default_rng((31, step)), generator(32, step)
        chosen = rng.integers(0, len(shown), BATCH)
        ids = tokenize(
            [said(shown[i], rng) for i in chosen],
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        ).input_ids.to(device)
        clean = rows[torch.from_numpy(chosen).to(device)].float()
        noise = torch.randn(clean.shape, generator=noise_source).to(device)
        t = torch.randint(0, 1000, (BATCH,), generator=noise_source).to(device)
        a = alphas[t].view(-1, 1, 1, 1)
        noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
        target = a.sqrt() * noise - (1 - a).sqrt() * clean
        with torch.autocast(device.type, torch.bfloat16):
            guess = unet(noisy, t, text_tower(ids).last_hidden_state).sample
        error = (guess.float() - target).square().mean((1, 2, 3))
        weight = _weights(alphas[t])
        loss = (weight * error).mean() / _weights(alphas).mean()
        training.descend(loss)
        mean = 0.98 * mean + 0.02 * loss.item() if step > first else loss.item()
        if step % 100 == 0:
            rate = (step - first) * BATCH / (time.monotonic() - started)
            print(f"unet {step}/{total} loss {mean:.4f} {rate:.1f} pictures/s", flush=True)
