"""Scenes without the emoji font: each character becomes a drawn shape of its own."""

from collections.abc import Iterator

import pytest
from PIL import Image, ImageDraw
from pretraining import objects

SIDE = objects.SPRITE_SIZE


def drawn_shape(character: str) -> Image.Image:
    """A polygon with corners and hue by the character, with dark eyes and a light spot."""
    number = ord(character[0])
    picture = Image.new("RGBA", (SIDE, SIDE))
    pen = ImageDraw.Draw(picture)
    body = (90 + number * 37 % 120, 90 + number * 61 % 120, 90 + number * 17 % 120, 255)
    pen.regular_polygon((64, 70, 56), 3 + number % 6, rotation=number % 90, fill=body)
    for x in (50, 78):
        pen.ellipse((x - 6, 54, x + 6, 66), fill=(0, 0, 0, 255))
    pen.ellipse((58, 80, 70, 88), fill=(255, 255, 255, 255))
    return picture


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sprites are drawn shapes, and what was cached of others is forgotten."""
    monkeypatch.setattr(objects, "sprite", drawn_shape)
    objects.coloured_sprite.cache_clear()
    yield
    objects.coloured_sprite.cache_clear()
