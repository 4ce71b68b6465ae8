"""Scenes: an object in a place, with a caption that describes it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from . import objects, places

RESOLUTION = 64


@dataclass(frozen=True)
class Scene:
    """What a picture shows; None where it shows nothing of the kind."""

    noun: str
    character: str
    colour: str | None = None
    pattern: str | None = None
    accessory: str | None = None
    place: str | None = None


def random_scene(rng: np.random.Generator, characters: str | None = None) -> Scene:
    """A scene with the frequencies that pretraining uses, of the known objects by default."""
    characters = characters or objects.KNOWN
    character = characters[int(rng.integers(len(characters)))]
    noun = objects.noun(character)
    colour = list(objects.COLOURS)[int(rng.integers(7))] if rng.random() < 0.5 else None
    pattern = objects.PATTERNS[int(rng.integers(2))] if rng.random() < 0.08 else None
    accessory = None
    if rng.random() < 0.12:
        fitting = [a for a in objects.ACCESSORIES if a != "sunglasses" or noun in objects.FACES]
        accessory = fitting[int(rng.integers(len(fitting)))]
    place = list(places.PLACES)[int(rng.integers(10))] if rng.random() < 0.92 else None
    return Scene(noun, character, colour, pattern, accessory, place)


def dressed(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene's object alone, RGBA."""
    picture = objects.coloured_sprite(scene.character, scene.colour)
    if scene.pattern:
        second = [(250, 250, 250), (70, 50, 40), *objects.COLOURS.values()]
        picture = objects.patterned(picture, scene.pattern, second[int(rng.integers(9))], rng)
    return objects.wearing(picture, scene.accessory) if scene.accessory else picture


def composite(
    thing: Image.Image, background: Image.Image, rng: np.random.Generator, side: int = RESOLUTION
) -> Image.Image:
    """The object on the ground of the place, with a soft shadow, averaged down to `side` pixels."""
    canvas = background.convert("RGB").copy()
    size = places.SIZE
    width = int(size * rng.uniform(0.60, 0.68))
    thing = thing.resize((width, thing.height * width // thing.width), Image.Resampling.BILINEAR)
    x = int((size - width) / 2 + size * rng.uniform(-0.08, 0.08))
    foot = int(size * rng.uniform(0.84, 0.92))
    shadow = Image.new("L", (size, size))
    ImageDraw.Draw(shadow).ellipse(
        (x + width * 0.12, foot - 6, x + width * 0.88, foot + 5), fill=110
    )
    canvas.paste((20, 20, 26), mask=shadow.filter(ImageFilter.GaussianBlur(3)))
    canvas.paste(thing, (x, foot - thing.height), thing)
    return canvas.resize((side, side), Image.Resampling.BOX)


def draw(scene: Scene, rng: np.random.Generator, side: int = RESOLUTION) -> Image.Image:
    """The scene as a picture of `side` x `side` pixels."""
    place = places.PLACES[scene.place] if scene.place else places.plain
    return composite(dressed(scene, rng), place(rng), rng, side)


def caption(
    scene: Scene, rng: np.random.Generator, *, place: bool = True, token: str | None = None
) -> str:
    """A caption; `place` False leaves the place out, `token` stands before the noun."""
    words = [scene.pattern, scene.colour, token, scene.noun]
    text = " ".join(word for word in words if word)
    text = ("an " if text[0] in "aeiou" else "a ") + text
    if scene.accessory:
        text += f" wearing {scene.accessory}"
    if place and scene.place:
        text += f" {scene.place}"
    return f"a photo of {text}" if rng.random() < 0.25 else text


def nonsense(rng: np.random.Generator) -> str:
    """A word of three letters that means nothing; never `sks`, which is left for a subject."""
    while True:
        word = "".join("bcdfghjklmnpqrstvwxz"[int(i)] for i in rng.integers(20, size=3))
        if word != "sks":
            return word
