"""Procedurally drawn places, each a function from a random generator to a picture."""

import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 128  # drawn at twice the backbone's resolution, then averaged down
Rng = np.random.Generator
Rgb = tuple[int, int, int]


def _jitter(rng: Rng, rgb: Rgb, by: int = 12) -> Rgb:
    shift = int(rng.integers(-by, by + 1))
    r, g, b = (int(np.clip(c + shift + rng.integers(-4, 5), 0, 255)) for c in rgb)
    return r, g, b


def _gradient(top: Rgb, bottom: Rgb, height: int = SIZE) -> Image.Image:
    ramp = np.linspace(np.array(top), np.array(bottom), height)[:, None, :]
    return Image.fromarray(np.broadcast_to(ramp, (height, SIZE, 3)).astype(np.uint8))


def _landscape(
    rng: Rng, sky: tuple[Rgb, Rgb], ground: tuple[Rgb, Rgb], horizon: float
) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    line = int(SIZE * (horizon + rng.uniform(-0.03, 0.03)))
    picture = _gradient(_jitter(rng, sky[0]), _jitter(rng, sky[1]))
    picture.paste(
        _gradient(_jitter(rng, ground[0]), _jitter(rng, ground[1]), SIZE - line), (0, line)
    )
    return picture, ImageDraw.Draw(picture), line


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, r: float, rgb: Rgb) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=rgb)


def snow(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((176, 208, 240), (226, 238, 250)), ((244, 248, 255), (222, 232, 246)), 0.55
    )
    for _ in range(4):
        x, h = rng.uniform(0, SIZE), rng.uniform(26, 40)
        draw.polygon(
            [(x, line - h), (x - h * 0.34, line), (x + h * 0.34, line)], fill=(52, 104, 84)
        )
        draw.polygon(
            [(x, line - h), (x - h * 0.16, line - h * 0.5), (x + h * 0.16, line - h * 0.5)],
            fill=(246, 250, 255),
        )
    for x, y in rng.uniform(0, SIZE, (26, 2)):
        _disc(draw, x, y, 1.6, (255, 255, 255))
    return picture


def beach(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((96, 184, 240), (190, 230, 250)), ((246, 222, 160), (232, 200, 130)), 0.62
    )
    sea = line - 24
    draw.rectangle((0, sea, SIZE, line), fill=_jitter(rng, (28, 120, 176)))
    draw.rectangle((0, line - 7, SIZE, line), fill=(96, 200, 206))
    draw.rectangle((0, line - 1, SIZE, line + 2), fill=(250, 250, 246))
    return picture


def forest(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((44, 96, 52), (70, 128, 66)), ((62, 92, 40), (44, 66, 30)), 0.66
    )
    for x in np.arange(6, SIZE, 24) + rng.uniform(-5, 5, 6)[: len(np.arange(6, SIZE, 24))]:
        w = rng.uniform(4, 7)
        draw.rectangle((x - w, 18, x + w, line + 4), fill=_jitter(rng, (92, 60, 38)))
    for x, y in zip(rng.uniform(0, SIZE, 16), rng.uniform(0, 26, 16), strict=True):
        _disc(draw, x, y, rng.uniform(10, 16), _jitter(rng, (34, 104, 44), 18))
    return picture


def desert(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((250, 196, 116), (252, 226, 170)), ((226, 158, 84), (206, 132, 62)), 0.52
    )
    _disc(draw, rng.uniform(20, SIZE - 20), 20, 10, (255, 246, 206))
    x = rng.uniform(0, SIZE)
    draw.polygon([(x - 80, line + 26), (x, line - 10), (x + 80, line + 26)], fill=(214, 142, 70))
    draw.polygon([(x, line - 10), (x + 80, line + 26), (x + 14, line + 26)], fill=(188, 118, 56))
    return picture


def space(rng: Rng) -> Image.Image:
    picture = _gradient(_jitter(rng, (16, 10, 44), 8), _jitter(rng, (44, 16, 78), 8))
    cloud = Image.new("RGB", picture.size)
    draw = ImageDraw.Draw(cloud)
    for x, y in rng.uniform(0, SIZE, (3, 2)):
        _disc(draw, x, y, 22, _jitter(rng, (70, 30, 120), 20))
    picture = Image.blend(picture, cloud.filter(ImageFilter.GaussianBlur(12)), 0.5)
    draw = ImageDraw.Draw(picture)
    for x, y in rng.uniform(0, SIZE, (44, 2)):
        _disc(draw, x, y, rng.uniform(0.8, 1.8), (250, 250, 255))
    x, y = rng.uniform(16, SIZE - 16), rng.uniform(12, 26)
    _disc(draw, x, y, 10, (216, 130, 140))
    draw.ellipse((x - 17, y - 4, x + 17, y + 4), outline=(240, 220, 190), width=2)
    return picture


def sunset(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((94, 44, 120), (255, 146, 84)), ((104, 42, 84), (52, 22, 60)), 0.62
    )
    x = rng.uniform(24, SIZE - 24)
    draw.pieslice((x - 22, line - 22, x + 22, line + 22), 180, 360, fill=(255, 224, 108))
    for k in range(4):
        y, w = line + 5 + 8 * k, 20 - 4 * k
        draw.line((x - w, y, x + w, y), fill=(255, 176, 92), width=3)
    return picture


def mountains(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((120, 176, 236), (206, 228, 248)), ((104, 150, 84), (78, 122, 62)), 0.68
    )
    for x in (rng.uniform(0, 40), rng.uniform(88, SIZE), rng.uniform(44, 84)):
        h, w = rng.uniform(52, 72), rng.uniform(40, 52)
        draw.polygon(
            [(x, line - h), (x - w, line), (x + w, line)], fill=_jitter(rng, (112, 110, 140))
        )
        draw.polygon(
            [(x, line - h), (x - w * 0.3, line - h * 0.7), (x + w * 0.3, line - h * 0.7)],
            fill=(250, 252, 255),
        )
    return picture


def grass(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((126, 200, 250), (216, 238, 252)), ((110, 200, 70), (70, 164, 48)), 0.5
    )
    x = rng.uniform(16, SIZE - 16)
    for dx in (-9, 0, 9):
        _disc(draw, x + dx, 18, 8, (252, 254, 255))
    for x, y in zip(rng.uniform(0, SIZE, 18), rng.uniform(line + 6, SIZE, 18), strict=True):
        _disc(
            draw,
            x,
            y,
            1.8,
            [(250, 220, 70), (250, 130, 160), (255, 255, 255)][int(rng.integers(3))],
        )
    return picture


def city(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((150, 170, 196), (206, 214, 224)), ((112, 112, 120), (88, 88, 96)), 0.74
    )
    for x in range(-4, SIZE, 22):
        h = rng.uniform(40, 78)
        draw.rectangle((x, line - h, x + 20, line), fill=_jitter(rng, (74, 86, 118), 18))
        for wx in (x + 4, x + 12):
            for wy in np.arange(line - h + 5, line - 6, 10):
                draw.rectangle((wx, wy, wx + 4, wy + 5), fill=(250, 226, 140))
    return picture


def checkered(rng: Rng) -> Image.Image:
    picture, draw, line = _landscape(
        rng, ((228, 206, 206), (240, 226, 222)), ((240, 240, 240), (240, 240, 240)), 0.5
    )
    rows = line + np.array([0, 5, 12, 22, 36, 56, 90])
    shift = rng.uniform(0, 1)
    for i, (top, bottom) in enumerate(itertools.pairwise(rows)):
        for k in range(-9, 9):
            if (i + k) % 2:
                continue
            edges = [
                (k + shift, top),
                (k + 1 + shift, top),
                (k + 1 + shift, bottom),
                (k + shift, bottom),
            ]
            corner = [(SIZE / 2 + c * (14 + 30 * (y - line) / 64), float(y)) for c, y in edges]
            draw.polygon(corner, fill=(36, 36, 42))
    return picture


def plain(rng: Rng) -> Image.Image:
    rgb = _jitter(rng, (200, 200, 204), 40)
    r, g, b = (int(c * 0.82) for c in rgb)
    return _gradient(rgb, (r, g, b))


PLACES: dict[str, Callable[[Rng], Image.Image]] = {
    "in the snow": snow,
    "on the beach": beach,
    "in the forest": forest,
    "in the desert": desert,
    "in space": space,
    "at sunset": sunset,
    "in the mountains": mountains,
    "on the grass": grass,
    "in the city": city,
    "on a checkered floor": checkered,
}
