"""Draw the example subjects: `python scripts/draw_examples.py examples/subjects`.

Each is a new character of a class that the built-in backbone knows: recoloured, patterned, with
something of its own. `--set tuning` draws the other characters, on which presets were chosen.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw
from pretraining import objects, places, scenes

SIDE = 128
SEED = 77
Rgb = tuple[int, int, int]
TEAL, CREAM, INK = (38, 190, 178), (252, 244, 214), (40, 40, 48)


def halves(character: str, left: Rgb, right: Rgb) -> Image.Image:
    """A character of two colours, split down the middle."""
    first, second = (objects.tinted(objects.sprite(character), c) for c in (left, right))
    first.paste(second.crop((64, 0, 128, 128)), (64, 0))
    return first


def bands(character: str, colours: list[Rgb], height: int) -> Image.Image:
    """A character in horizontal bands of colour."""
    base = objects.sprite(character)
    result = Image.new("RGBA", base.size)
    for number, y in enumerate(range(0, SIDE, height)):
        tinted = objects.tinted(base, colours[number % len(colours)])
        result.paste(tinted.crop((0, y, SIDE, y + height)), (0, y))
    return result


def star(picture: Image.Image, x: int, y: int, rgb: Rgb, radius: int = 17) -> Image.Image:
    """A five-pointed star drawn onto the character."""
    angles = np.pi * (np.arange(10) / 5 - 0.5)
    radii = np.where(np.arange(10) % 2, radius * 0.45, radius)
    points = [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]
    ImageDraw.Draw(picture).polygon(points, fill=(*rgb, 255), outline=(*INK, 255))
    return picture


def scarf(picture: Image.Image, y: int, rgb: Rgb) -> Image.Image:
    """A scarf around the character at height y, with an end hanging down."""
    cloth = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(cloth)
    draw.rectangle((0, y, SIDE, y + 15), fill=(*rgb, 255))
    body = picture.getchannel("A")
    cloth.putalpha(ImageChops.multiply(cloth.getchannel("A"), body))
    draw = ImageDraw.Draw(cloth)
    draw.rectangle((70, y + 8, 84, y + 42), fill=(*rgb, 255), outline=(*INK, 255))
    return Image.alpha_composite(picture, cloth)


def cat() -> Image.Image:
    return star(halves("🐱", objects.COLOURS["purple"], TEAL), 64, 44, (255, 214, 40))


def owl() -> Image.Image:
    return scarf(objects.tinted(objects.sprite("🦉"), (236, 236, 244)), 62, (220, 40, 60))


def bug() -> Image.Image:
    picture = halves("🐞", objects.COLOURS["blue"], objects.COLOURS["orange"])
    return star(picture, 62, 74, CREAM, 14)


def cup() -> Image.Image:
    colours = [objects.COLOURS[name] for name in ("red", "yellow", "blue")]
    return bands("☕", colours, 22)


def dog() -> Image.Image:
    return star(halves("🐶", objects.COLOURS["green"], objects.COLOURS["pink"]), 64, 40, CREAM)


def penguin() -> Image.Image:
    return scarf(objects.tinted(objects.sprite("🐧"), objects.COLOURS["orange"]), 50, (40, 90, 220))


Character = tuple[Callable[[], Image.Image], tuple[str, ...]]
SETS: dict[str, dict[str, Character]] = {
    "examples": {
        "cat": (cat, ("on the grass", "in the city", "on a checkered floor", "in the desert",
                      "in the forest")),
        "owl": (owl, ("in the forest", "on the grass", "in the mountains", "in the city",
                      "on the beach")),
        "bug": (bug, ("on the grass", "in the snow", "on the beach", "in the city",
                      "in the mountains")),
        "cup": (cup, ("on a checkered floor", "on the beach", "in the mountains", "in the forest",
                      "on the grass")),
    },
    "tuning": {
        "dog": (dog, ("on the grass", "in the city", "on the beach", "in the desert", "in space")),
        "penguin": (penguin, ("in the snow", "in the forest", "on the grass", "at sunset",
                              "in the city")),
    },
}  # fmt: skip


def draw(folder: Path, name: str, character: Character) -> None:
    """Five pictures of one character, with their captions."""
    make, where = character
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((SEED, *name.encode()))
    lines = []
    for number, place in enumerate(where):
        picture = scenes.composite(make(), places.PLACES[place](rng), rng, SIDE)
        picture.save(folder / f"{number:02}.png", optimize=True)
        lines.append(f"{number:02}.png\t{place}\n")
    (folder / "captions.txt").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", choices=list(SETS), default="examples")
    options = parser.parse_args()
    for name, character in SETS[options.set].items():
        draw(options.folder / name, name, character)


if __name__ == "__main__":
    main()
