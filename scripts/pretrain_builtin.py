"""Train the built-in backbone: `python scripts/pretrain_builtin.py STAGE --work DIR`.

Stages, in order: `pool` draws the pictures, `vae` trains the autoencoder, `clip` the text tower
that conditions the UNet, `judge` the CLIP that measures, `unet` the UNet, `decoder` trains the
autoencoder's decoder on alone, `ship` writes the backbone's folder. Every stage is deterministic by
seed and goes on where it was stopped. `pool` needs the font of Debian's fonts-noto-color-emoji.
"""

import argparse
from pathlib import Path

import torch
from pretraining import clip, pool, ship, unet, vae

WEIGHTS = Path(__file__).parents[1] / "sparse_peft" / "backbones" / "builtin_weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "stage", choices=["pool", "vae", "decoder", "clip", "judge", "unet", "ship"]
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for pictures and checkpoints"
    )
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--channels", type=int, default=4, help="latent channels of the autoencoder"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if options.stage == "pool":
        pool.draw_pool(
            options.work, known=40_000, wide=12_000, fresh=1_000, processes=options.threads
        )
    elif options.stage in ("vae", "decoder"):
        vae.train(
            options.work,
            options.channels,
            options.steps,
            device,
            decoder_only=options.stage == "decoder",
            name=options.stage,
        )
    elif options.stage in ("clip", "judge"):
        clip.train(options.work, options.stage, options.steps, device)
    elif options.stage == "unet":
        unet.train(options.work, options.steps, device)
    elif options.stage == "ship":
        ship.ship(options.work, WEIGHTS)


if __name__ == "__main__":
    main()
