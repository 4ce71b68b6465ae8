"""Small labelled sets for tests."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from sparse_peft.data.labelled import Labelled, LabelledPicture, Split, png_name

CLASSES = ("apple", "boat", "cat")


def small_set(
    folder: Path,
    classes: tuple[str, ...] = CLASSES,
    count: int = 6,
    side: int = 24,
    splits: tuple[tuple[Split, int], ...] = (),
    seed: int = 0,
) -> tuple[Labelled, Path]:
    """Squares of a colour for each class, with noise, and the folder that they are in.

    Args:
        count: pictures of each class in the pool, where `splits` says nothing else.
        splits: how many pictures of each class each split has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    rng = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        colour = np.random.default_rng(label).integers(40, 216, 3)
        for split, many in splits or (("pool", count),):
            for number in range(many):
                pixels = np.clip(colour + rng.normal(0, 25, (side, side, 3)), 0, 255)
                data = BytesIO()
                Image.fromarray(pixels.astype(np.uint8)).save(data, "PNG")
                digest = hashlib.sha256(data.getvalue()).hexdigest()
                (folder / png_name(digest)).write_bytes(data.getvalue())
                pictures.append(
                    LabelledPicture(
                        png_name(digest), label, split, f"{name}/{split}{number}.png", digest
                    )
                )
    return Labelled(classes, tuple(pictures), "small"), folder


def class_folders(
    folder: Path, classes: tuple[str, ...] = CLASSES, count: int = 6, side: int = 24, seed: int = 1
) -> Path:
    """A folder of class folders with pictures like those of `small_set`."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        colour = np.random.default_rng(label).integers(40, 216, 3)
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(colour + rng.normal(0, 25, (side, side, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder
