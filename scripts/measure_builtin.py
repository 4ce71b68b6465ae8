"""Measure the built-in backbone: `python scripts/measure_builtin.py --work DIR [--sheet FILE]`.

64 prompts "a COLOUR OBJECT PLACE" with 2 seeds at 20 steps, judged by a classifier that saw drawn
scenes only (DIR holds the pictures that `pretrain_builtin.py pool` drew); and the autoencoder's
signal-to-noise ratio on scenes that no training saw.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from pretraining import objects, places
from pretraining.classifier import Classifier, trained
from pretraining.pool import load_pool
from pretraining.training import pixels
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from sparse_peft.backbones import source
from sparse_peft.backbones.diffusion import model as diffusion
from sparse_peft.backbones.diffusion.sampling import Sampling

PROMPTS, SEEDS = 64, (0, 1)
SAMPLING = Sampling(steps=20, guidance=4.0, guidance_rescale=0.5)
FRESH = 200
CELL, LINE, COLUMNS = 128, 18, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of the first seed")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    classifier = trained(options.work)
    backbone = diffusion.load(source.resolve("builtin"), torch.device("cpu"))
    asked = _prompts()
    started = time.perf_counter()
    drawn = _draw(backbone, [words for words, _, _ in asked])
    seconds = time.perf_counter() - started
    result = _accuracy(classifier, drawn, asked) | {
        "vae_psnr_db": _psnr(backbone, options.work),
        "classifier_on_fresh_scenes": _fresh(classifier, options.work),
        "seconds_for_four_pictures": round(4 * seconds / len(drawn), 2),
    }
    print(json.dumps(result, indent=1))
    if options.sheet:
        _sheet(drawn[:PROMPTS], [words for words, _, _ in asked], options.sheet)


def _prompts() -> list[tuple[str, int, int]]:
    """Every object at least twice, colours and places in turn."""
    nouns, colours, where = _names()
    rows = []
    for i in range(PROMPTS):
        noun, colour = nouns[i % len(nouns)], colours[i % len(colours)]
        place = (i + i // len(nouns)) % len(where)
        article = "an" if colour[0] in "aeiou" else "a"
        rows.append((f"{article} {colour} {noun} {where[place]}", i % len(nouns), place))
    return rows


def _names() -> tuple[list[str], list[str], list[str]]:
    nouns = [objects.noun(character) for character in objects.KNOWN]
    return nouns, list(objects.COLOURS), list(places.PLACES)


def _draw(backbone: diffusion.Diffusion, prompts: list[str]) -> list[Tensor]:
    words, negative = backbone.embed(prompts), backbone.negative()
    drawn: list[Tensor] = []
    with torch.autocast("cpu", torch.bfloat16):
        for seed in SEEDS:
            drawn += backbone.sample(words, [seed] * len(words), negative, SAMPLING, 64)
    return drawn


@torch.no_grad()
def _accuracy(
    classifier: Classifier, drawn: list[Tensor], asked: list[tuple[str, int, int]]
) -> dict[str, object]:
    noun, place = classifier(torch.stack(drawn))
    truth = asked * len(SEEDS)
    right = noun.argmax(1) == torch.tensor([n for _, n, _ in truth])
    there = place.argmax(1) == torch.tensor([p for _, _, p in truth])
    nouns = _names()[0]
    wrong = sorted({nouns[n] for (_, n, _), ok in zip(truth, right, strict=True) if not ok})
    return {
        "pictures": len(drawn),
        "object_right": round(right.float().mean().item(), 3),
        "place_right": round(there.float().mean().item(), 3),
        "objects_missed_at_least_once": wrong,
    }


@torch.no_grad()
def _psnr(backbone: diffusion.Diffusion, work: Path) -> float:
    fresh = pixels(np.load(work / "fresh.npy", mmap_mode="r")[:FRESH], torch.device("cpu"))
    vae = backbone.pipeline.vae
    back = vae.decode(vae.encode(fresh).latent_dist.mode()).sample.clamp(-1, 1)
    error = ((back - fresh) / 2).square().flatten(1).mean(1)
    return round(float((-10 * error.log10()).mean()), 2)


@torch.no_grad()
def _fresh(classifier: Classifier, work: Path) -> dict[str, float]:
    rows, shown = load_pool(work, "fresh")
    noun, place = classifier(pixels(rows[:FRESH], torch.device("cpu")))
    nouns, _, where = _names()
    known = [i for i, scene in enumerate(shown[:FRESH]) if scene.place]
    object_right = [nouns[n] == s.noun for n, s in zip(noun.argmax(1), shown, strict=False)]
    place_right = [where[int(place[i].argmax())] == shown[i].place for i in known]
    return {
        "object_right": round(float(np.mean(object_right)), 3),
        "place_right": round(float(np.mean(place_right)), 3),
    }


def _sheet(drawn: list[Tensor], prompts: list[str], path: Path) -> None:
    font = ImageFont.load_default(10)
    rows = -(-len(drawn) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + LINE)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (picture, prompt) in enumerate(zip(drawn, prompts, strict=True)):
        x, y = number % COLUMNS * CELL, number // COLUMNS * (CELL + LINE)
        array = ((picture + 1) * 127.5).byte().permute(1, 2, 0).numpy()
        sheet.paste(Image.fromarray(array).resize((CELL, CELL), Image.Resampling.BICUBIC), (x, y))
        pen.text((x + 2, y + CELL + 2), prompt[:26], font=font, fill="black")
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    main()
