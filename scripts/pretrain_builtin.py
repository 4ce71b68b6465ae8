"""Train the built-in backbone: `python scripts/pretrain_builtin.py STAGE --work DIR`.

Stages, in order: `pool` draws the pictures, `vae` trains the autoencoder, `clip` the text tower
that conditions the UNet, `judge` the CLIP that measures, `unet` the UNet, `decoder` trains the
autoencoder's decoder on alone, `ship` writes the backbone's folder. The CLIP of the few-shot task
has a work folder of its own: `pool --many`, `fewshot`, `ship-fewshot`. Every stage is deterministic
by seed and goes on where it was stopped. `pool` needs the font of Debian's fonts-noto-color-emoji.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from pretraining import clip, fewshot, objects, pool, ship, unet, vae

WEIGHTS = Path(__file__).parents[1] / "sparse_peft" / "backbones" / "builtin_weights"
STEPS = {
    "vae": 9_000,
    "clip": 900,
    "judge": 900,
    "unet": 7_000,
    "decoder": 3_500,
    "fewshot": 2_000,
}  # as shipped

CHANNELS = 4  # of a latent, as the UNet reads them
PICTURES = {"known": 40_000, "wide": 12_000, "fresh": 1_000}
LIST = "objects.txt"  # in the work folder: the concepts that `pool` drew


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["pool", *STEPS, "ship", "ship-fewshot"])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for pictures and checkpoints"
    )
    parser.add_argument("--objects", help="emoji to learn, in one word; read by `pool`")
    parser.add_argument(
        "--many", action="store_true", help="learn all that the few-shot CLIP names"
    )
    parser.add_argument("--known", type=int, default=PICTURES["known"], help="pictures of them")
    parser.add_argument("--steps", type=int, help=f"as shipped if left out: {STEPS}")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (bf16)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    asked = objects.MANY if options.many else options.objects
    _choose_objects(options.work, asked if options.stage == "pool" else None)
    if options.stage == "pool":
        pool.draw_pool(
            options.work, **PICTURES | {"known": options.known}, processes=options.threads
        )
    elif options.stage == "ship":
        ship.ship(options.work, WEIGHTS)
    elif options.stage == "ship-fewshot":
        ship.ship_fewshot(options.work, WEIGHTS)
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
    elif stage == "fewshot":
        fewshot.train(work, total, device)
    else:
        clip.train(work, stage, total, device)


if __name__ == "__main__":
    main()
