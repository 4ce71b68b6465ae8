"""The picture autoencoder: 64 x 64 pixels to a 16 x 16 latent and back."""

import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from .training import Training, generator, pixels

KL_WEIGHT = 3e-4
EDGE_WEIGHT = 0.5


def build(channels: int) -> AutoencoderKL:
    """A small AutoencoderKL that shrinks four times."""
    torch.manual_seed(0)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 96),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=1,
        sample_size=64,
        mid_block_add_attention=False,
    )


def _edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture.diff(dim=-1), picture.diff(dim=-2)


def _loss(vae: AutoencoderKL, batch: Tensor, noise: torch.Generator, freeze: bool) -> Tensor:
    with torch.no_grad() if freeze else torch.enable_grad():
        posterior = vae.encode(batch).latent_dist
        latent = posterior.mean if freeze else posterior.sample(noise)
    back = vae.decode(latent).sample.float()
    loss = F.l1_loss(back, batch) + F.mse_loss(back, batch)
    for ours, theirs in zip(_edges(back), _edges(batch), strict=True):
        loss = loss + EDGE_WEIGHT * F.l1_loss(ours, theirs)
    return loss if freeze else loss + KL_WEIGHT * posterior.kl().mean() / latent[0].numel()


def _batch(
    known: np.ndarray, wide: np.ndarray, step: int, seed: int, size: int, crop: int
) -> np.ndarray:
    rng = np.random.default_rng((seed, step))
    rows = []
    for _ in range(size):
        source = wide if rng.random() < 0.3 else known
        y, x = rng.integers(0, 65 - crop, 2)
        rows.append(source[int(rng.integers(len(source)))][y : y + crop, x : x + crop])
    return np.stack(rows)


def train(
    folder: Path, channels: int, total: int, device: torch.device, *, decoder_only: bool, name: str
) -> None:
    """Train the autoencoder, or its decoder alone once the UNet depends on the encoder."""
    vae = build(channels)
    if decoder_only:
        vae.load_state_dict(torch.load(folder / "vae.pt", weights_only=True)["average"])
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    vae.to(device)
    known, wide = (np.load(folder / f"{n}.npy", mmap_mode="r") for n in ("known", "wide"))
    training = Training(name, folder, vae, 5e-4 if decoder_only else 2e-3, total, 0.998)
    started = time.monotonic()
    for step in training.steps(500):
        crop = 40 if step < total * 0.6 and not decoder_only else 64
        batch = pixels(_batch(known, wide, step, 11, 4, crop), device)
        loss = _loss(vae, batch, generator(12, step), decoder_only)
        training.descend(loss)
        if step % 250 == 0:
            psnr = quality(folder, training.average.module, device, 32)
            print(
                f"{name} {step}/{total} loss {loss.item():.4f} psnr {psnr:.2f} "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )


@torch.no_grad()
def quality(folder: Path, vae: AutoencoderKL, device: torch.device, count: int) -> float:
    """Mean peak signal-to-noise ratio in dB over scenes that no training saw."""
    fresh = pixels(np.load(folder / "fresh.npy", mmap_mode="r")[:count], device)
    back = vae.decode(vae.encode(fresh).latent_dist.mode()).sample.clamp(-1, 1)
    error = ((back - fresh) / 2).square().flatten(1).mean(1)
    return float((-10 * error.log10()).mean())
