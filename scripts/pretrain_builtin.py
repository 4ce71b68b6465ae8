"""Train the built-in backbone: `python scripts/pretrain_builtin.py STAGE --work DIR`.

Stages, in order: `pool` draws the pictures, `vae` trains the autoencoder, `clip` the text tower
that conditions the UNet, `judge` the CLIP that measures, `unet` the UNet, `decoder` trains the
autoencoder's decoder on alone, `ship` writes the backbone's folder. Every stage is deterministic by
seed and goes on where it was stopped. `pool` needs the font of Debian's fonts-noto-color-emoji.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from pretraining import clip, objects, pool, ship, unet, vae

WEIGHTS = Path(__file__).parents[1] / "sparse_peft" / "backbones" / "builtin_weights"
STEPS = {"vae": 9_000, "clip": 900, "judge": 900, "unet": 7_000, "decoder": 3_500}  # as shipped
CHANNELS = 4  # of a latent, as the UNet reads them
PICTURES = {"known": 40_000, "wide": 12_000, "fresh": 1_000}
LIST = "objects.txt"  # in the work folder: the concepts that `pool` drew


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["pool", *STEPS, "ship"])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for pictures and checkpoints"
    )
    parser.add_argument("--objects", help="emoji to learn, in one word; read by `pool`")
    parser.add_argument("--steps", type=int, help=f"as shipped if left out: {STEPS}")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (bf16)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    _choose_objects(options.work, options.objects if options.stage == "pool" else None)
    if options.stage == "pool":
        pool.draw_pool(options.work, **PICTURES, processes=options.threads)
    elif options.stage == "ship":
        ship.ship(options.work, WEIGHTS)
    else:
        _train(options.stage, options.work, options.steps, torch.device(options.device))


def _choose_objects(work: Path, chosen: str | None) -> None:
    """Learn the objects asked for, else those of the work folder, else the project's own."""
    path = work / LIST
    if chosen:
        objects.learn(chosen)
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(chosen, encoding="utf-8")
    elif path.exists():
        objects.learn(path.read_text(encoding="utf-8"))


def _train(stage: str, work: Path, steps: int | None, device: torch.device) -> None:
    total = steps or STEPS[stage]
    if stage in ("vae", "decoder"):
        vae.train(work, CHANNELS, total, device, decoder_only=stage == "decoder", name=stage)
    elif stage == "unet":
        unet.train(work, total, device)
    else:
        clip.train(work, stage, total, device)


if __name__ == "__main__":
    main()
