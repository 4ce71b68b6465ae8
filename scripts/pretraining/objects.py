"""What the built-in backbone knows, and how a sprite is drawn.

Sprites come from the Noto Color Emoji font; an object's noun is its Unicode name, shortened where
people say it shorter.
"""

import functools
import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
FONT_SIZE = 109  # the only size of the font's bitmaps
SPRITE_SIZE = 128

SPOKEN = {
    "lady beetle": "bug",
    "hot beverage": "cup",
    "automobile": "car",
    "athletic shoe": "shoe",
    "school satchel": "backpack",
    "soccer ball": "ball",
    "red apple": "apple",
    "tropical fish": "fish",
    "teddy bear": "toy",
    "spouting whale": "whale",
}

# The concepts of these weights: few, with plain silhouettes, so that two CPU cores suffice.
KNOWN = "🐱🐶🐰🐸🦉🐧🤖🐙🐠🦋🐞🦆🍎🍄🚗🫖☕⚽🎒🚀👟🕯🧸🌻"
# Never drawn in pretraining: the few-shot task meets them for the first time.
HELD_OUT = "🦊🦁🐷🐵🐨🐳🦀🐌🐢🐔🐘🐴"
# Only the picture autoencoder sees these, so that it can draw more than the backbone can name.
EXTRA = (
    "🐻🐼🐹🐭🦄🐝🐟🐬🐊🦖🌵🌲🍌🍇🍓🍕🍔🎂🍩🎈🎁🎸🎹🏀🎾"
    "🚲🚌🚜⛵🏠⏰📷💎🔑👑🎩👓☂🌙⭐🔥🌈🐤🦜🐿🦔🥕🌽🥑🍋🍒"
)

# On these the presets of the few-shot task were chosen: drawn in no pretraining either.
TUNING = "🐻🐼🐹🐭🦄🐝🐬🐊🦖🐤"
# What the built-in CLIP of the few-shot task learns to name: many things, none of the two lists
# above nor anything called like one of theirs.
MANY = (
    "🌀🌈🌟🌠🌭🌮🌯🌰🌱🌲🌳🌴🌵🌶🌷🌹🌺🌻🌿🍂🍄🍆🍇🍈🍉🍋🍌🍍🍎🍏🍑🍒🍓🍔🍘🍙🍜🍝🍞🍟🍣🍤🍧🍨🍩"
    "🍫🍬🍭🍮🍯🍰🍱🍹🍿🎀🎁🎃🎄🎆🎈🎉🎊🎋🎍🎏🎒🎓🎗🎚🎛🎞🎡🎢🎤🎥🎧🎨🎪🎫🎬🎮🎯🎰🎱🎲🎳🎵🎷🎸🎹"
    "🎺🎻🎼🏆🏎🏐🏕🏘🏜🏝🏞🏟🏠🏢🏥🏦🏨🏫🏬🏭🏮🏵🏺🐀🐂🐃🐄🐅🐇🐈🐉🐍🐏🐐🐑🐕🐗🐙🐚🐛🐜🐟🐡🐦🐧"
    "🐩🐫🐸🐾🐿👔👕👖👗👘👛👝👟👠👻👾👿💈💍💎💐💰💺💽💿📀📌📍📎📏📐📝📠📤📦📮📯📱📷🔋🔌🔑🔒🔔🔥"
    "🔦🔧🔨🔬🔭🔮🕌🕍🕯🕷🕸🕹🖨🖲🗄🗑🗝🗻🚀🚁🚃🚄🚆🚇🚈🚉🚊🚋🚌🚎🚏🚑🚒🚓🚕🚗🚚🚜🚝🚞🚡🚢🚣🚤🚪"
    "🚲🚽🚿🛎🛏🛒🛕🛖🛝🛞🛟🛡🛢🛥🛩🛰🛳🛴🛵🛶🛷🛹🛺🛻🛼🤖🥀🥄🥅🥊🥌🥎🥐🥑🥒🥓🥔🥕🥖🥗🥚🥜🥝🥞🥟"
    "🥡🥢🥥🥦🥧🥨🥪🥫🥬🥯🥻🥼🥽🥾🥿🦂🦃🦅🦆🦇🦈🦉🦋🦌🦍🦎🦏🦐🦑🦔🦕🦗🦘🦙🦚🦛🦜🦝🦞🦟🦡🦢🦣🦤🦥"
    "🦦🦧🦨🦩🦪🦫🦬🦭🦮🦺🧀🧁🧂🧃🧄🧅🧆🧇🧈🧉🧊🧋🧢🧣🧤🧥🧦🧨🧪🧮🧰🧱🧲🧳🧴🧷🧸🧺🧽🧾🩰🩳🩴🩺🪀"
    "🪁🪂🪄🪅🪆🪐🪒🪔🪕🪖🪗🪘🪙🪚🪛🪜🪞🪡🪢🪣🪨🪩🪫🪲🪴🪵🪶🪷🪸🪹🫐🫑🫒🫓🫕🫖🫗🫘🫙☁☂☕☘♨⚓"
    "⚖⚗⚜⚽⚾⛏⛓⛪⛰⛲⛴⛵⛸⛺⛽✈✉❄➰"
)

COLOURS = {
    "red": (222, 44, 44),
    "orange": (247, 142, 34),
    "yellow": (248, 214, 44),
    "green": (62, 172, 66),
    "blue": (52, 104, 226),
    "purple": (144, 66, 204),
    "pink": (246, 130, 184),
}
PATTERNS = ("spotted", "striped")
ACCESSORIES = {"a top hat": "🎩", "a crown": "👑", "sunglasses": "🕶"}
FACES = frozenset({"cat", "dog", "rabbit", "frog", "robot"})  # whose eyes sunglasses fit


def learn(characters: str) -> None:
    """Make these emoji the concepts of this process; the held-out ones may not be among them."""
    global KNOWN
    shared = set(characters) & set(HELD_OUT + TUNING)
    if shared or len(set(characters)) < len(characters) or not characters:
        raise ValueError(f"not a list of different, not held-out emoji: {characters!r}")
    KNOWN = characters


@functools.cache
def noun(character: str) -> str:
    """The word people use for an emoji, such as `cat` for CAT FACE."""
    name = unicodedata.name(character).lower().removesuffix(" face")
    return SPOKEN.get(name, name)


@functools.cache
def sprite(character: str) -> Image.Image:
    """An emoji as RGBA, cropped to its ink and fitted into a square of SPRITE_SIZE."""
    font = ImageFont.truetype(FONT, FONT_SIZE)
    sheet = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(sheet).text((10, 10), character, font=font, embedded_color=True)
    ink = sheet.crop(sheet.getbbox())
    ink.thumbnail((SPRITE_SIZE, SPRITE_SIZE), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SPRITE_SIZE, SPRITE_SIZE))
    square.paste(ink, ((SPRITE_SIZE - ink.width) // 2, SPRITE_SIZE - ink.height))
    return square


def tinted(picture: Image.Image, rgb: tuple[int, int, int]) -> Image.Image:
    """The same drawing in one hue: dark stays dark, light stays light."""
    pixels = np.asarray(picture, dtype=np.float32) / 255
    light = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    body = np.median(light[pixels[..., 3] > 0.5])
    position = np.where(
        light < body, 0.5 * light / body, 0.5 + 0.5 * (light - body) / (1 - body + 1e-3)
    )
    stops = np.array([[0.04, 0.04, 0.06], np.array(rgb) / 255, [1, 1, 1]], dtype=np.float32)
    coloured = np.stack([np.interp(position, [0.05, 0.5, 1.0], stops[:, c]) for c in range(3)], -1)
    return Image.fromarray(
        (np.concatenate([coloured, pixels[..., 3:]], -1) * 255).astype(np.uint8), "RGBA"
    )


@functools.lru_cache(maxsize=1024)
def coloured_sprite(character: str, colour: str | None) -> Image.Image:
    """The sprite in its own colours, or in one of COLOURS."""
    return sprite(character) if colour is None else tinted(sprite(character), COLOURS[colour])


def patterned(
    picture: Image.Image, pattern: str, rgb: tuple[int, int, int], rng: np.random.Generator
) -> Image.Image:
    """Spots or stripes over the body; dark details such as eyes stay on top."""
    marks = Image.new("L", picture.size)
    draw = ImageDraw.Draw(marks)
    if pattern == "spotted":
        for x in range(8, SPRITE_SIZE, 28):
            for y in range(8, SPRITE_SIZE, 28):
                cx, cy = (
                    x + int(rng.integers(-4, 5)) + (y // 28 % 2) * 14,
                    y + int(rng.integers(-4, 5)),
                )
                draw.ellipse((cx - 7, cy - 7, cx + 7, cy + 7), fill=255)
    else:
        for x in range(-SPRITE_SIZE, SPRITE_SIZE, 26):
            draw.line((x, SPRITE_SIZE, x + SPRITE_SIZE // 2, 0), fill=255, width=9)
    pixels = np.asarray(picture).astype(np.float32)
    light = pixels[..., :3].mean(-1)
    cover = (np.asarray(marks, dtype=np.float32) / 255) * np.clip((light - 60) / 40, 0, 1)
    pixels[..., :3] += cover[..., None] * (np.array(rgb, dtype=np.float32) - pixels[..., :3])
    return Image.fromarray(pixels.astype(np.uint8), "RGBA")


def wearing(picture: Image.Image, accessory: str) -> Image.Image:
    """The sprite with something on its head or, for sunglasses, over its eyes; a taller canvas."""
    thing = sprite(ACCESSORIES[accessory])
    thing = thing.crop(thing.getbbox())
    box = picture.getbbox()
    assert box is not None, "a sprite without ink"
    left, top, right, _ = box
    lift = 40
    canvas = Image.new("RGBA", (SPRITE_SIZE, SPRITE_SIZE + lift))
    canvas.paste(picture, (0, lift))
    width = int((right - left) * (0.72 if accessory == "sunglasses" else 0.62))
    thing = thing.resize(
        (width, max(1, thing.height * width // thing.width)), Image.Resampling.LANCZOS
    )
    x = (left + right - width) // 2
    if accessory == "sunglasses":
        y = lift + int(SPRITE_SIZE * 0.42)
    else:
        y = max(0, lift + top - int(thing.height * 0.62))
    canvas.alpha_composite(thing, (x, y))
    return canvas
