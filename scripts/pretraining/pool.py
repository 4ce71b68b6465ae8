"""The pool of training pictures: drawn once, each from (seed, number) alone."""

import dataclasses
import json
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from . import objects, scenes

KNOWN_SEED, WIDE_SEED, FRESH_SEED = 1, 2, 3  # fresh: never trained on, for measuring
CHUNK = 500

Pixels = np.ndarray  # N x 64 x 64 x 3, uint8


def _rng(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng((seed, number))


def known_picture(seed: int, number: int) -> tuple[Image.Image, scenes.Scene]:
    """Scene `number` of a seed, of the objects the backbone learns to name."""
    rng = _rng(seed, number)
    scene = scenes.random_scene(rng)
    return scenes.draw(scene, rng), scene


def wide_picture(number: int) -> Image.Image:
    """A picture only the autoencoder sees: unknown objects, loose textures, freer sizes."""
    rng = _rng(WIDE_SEED, number)
    if rng.random() < 0.2:
        return _texture(rng)
    scene = scenes.random_scene(rng, objects.KNOWN + objects.HELD_OUT + objects.EXTRA)
    picture = scenes.draw(scene, rng, 128)
    side = int(rng.integers(64, 129))
    x, y = (int(rng.integers(0, 129 - side)) for _ in range(2))
    return picture.crop((x, y, x + side, y + side)).resize((64, 64), Image.Resampling.BOX)


def _texture(rng: np.random.Generator) -> Image.Image:
    """Coloured noise with a natural picture's spectrum (amplitude falling as 1/f)."""
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None]) + 1 / 64
    phases = rng.normal(size=(3, 64, 33)) + 1j * rng.normal(size=(3, 64, 33))
    waves = np.fft.irfft2(phases / frequency ** rng.uniform(1, 1.6), s=(64, 64))
    mixed = np.einsum("ij,jhw->hwi", rng.normal(size=(3, 3)), waves / waves.std())
    pixels = rng.uniform(60, 200, 3) + 28 * mixed
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _known_chunk(arguments: tuple[int, int, int]) -> tuple[Pixels, list[scenes.Scene]]:
    seed, start, stop = arguments
    drawn = [known_picture(seed, i) for i in range(start, stop)]
    return np.stack([np.asarray(p) for p, _ in drawn]), [s for _, s in drawn]


def _wide_chunk(arguments: tuple[int, int]) -> Pixels:
    return np.stack([np.asarray(wide_picture(i)) for i in range(*arguments)])


def draw_pool(folder: Path, known: int, wide: int, fresh: int, processes: int) -> None:
    """Write `known.npy`, `known.json`, `wide.npy`, `fresh.npy` and `fresh.json` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with get_context("fork").Pool(processes) as workers:
        for name, seed, count in (("known", KNOWN_SEED, known), ("fresh", FRESH_SEED, fresh)):
            parts = [(seed, i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
            drawn = workers.map(_known_chunk, parts)
            np.save(folder / f"{name}.npy", np.concatenate([p for p, _ in drawn]))
            rows = [dataclasses.asdict(s) for _, part in drawn for s in part]
            (folder / f"{name}.json").write_text(json.dumps(rows, ensure_ascii=False))
        spans = [(i, min(i + CHUNK, wide)) for i in range(0, wide, CHUNK)]
        np.save(folder / "wide.npy", np.concatenate(workers.map(_wide_chunk, spans)))


def load_pool(folder: Path, name: str) -> tuple[Pixels, list[scenes.Scene]]:
    """The pictures and, for each, what it shows."""
    rows = json.loads((folder / f"{name}.json").read_text())
    return np.load(folder / f"{name}.npy", mmap_mode="r"), [scenes.Scene(**row) for row in rows]
