"""Make a picture clean: bytes of any allowed format in, a small RGB PNG without metadata out.

HEIC is decoded by pi-heif (BSD-3-Clause), whose wheels carry libheif and libde265 (both LGPL-3.0,
decoding only, dynamically linked and replaceable). They are used as installed; none ships with us.
"""

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL import WebPImagePlugin as _WebP  # noqa: F401 - Pillow opens WebP once it is imported

from sparse_peft.data.findings import UnreadableError

MOST_PIXELS = 40_000_000
LEAST_SIDE = 64
LONGEST_ASPECT = 6
LARGEST_SIDE = 2048  # of the PNG: twice what the largest backbone sees
SHARPNESS_SIDE = 256
THUMBNAIL_SIDE = 32
PNG_COMPRESSION = 3  # a third of the default's time for 5 % more bytes
ALLOWED = "JPEG, PNG, WebP, BMP, GIF or HEIC"
ANIMATED = ("GIF", "WEBP", "PNG")

_HEIF_BRANDS = ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1")
_KNOWN = {  # first bytes -> Pillow's name
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}
_REFUSED = {  # first bytes -> what a person calls it
    b"II*\0": "a TIFF or camera raw file",
    b"MM\0*": "a TIFF or camera raw file",
    b"%PDF": "a PDF",
    b"%!PS": "a PostScript file",
    b"8BPS": "a Photoshop file",
    b"PK\x03\x04": "a zip archive",
    b"\0\0\1\0": "an icon",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
}


@dataclass(frozen=True)
class Sizes:
    """How small a picture may be, and how small it is made, in pixels."""

    least_side: int = LEAST_SIDE
    kept_side: int = LARGEST_SIDE
    """The shorter side of the PNG is this at most."""


SUBJECT = Sizes()
LABELLED = Sizes(least_side=16, kept_side=512)  # drawings may be small; no tower sees more than 512


@dataclass(frozen=True)
class Decoded:
    """A clean picture and what was measured on it."""

    png: bytes
    """RGB without any metadata, at most LARGEST_SIDE on a side."""
    width: int
    height: int
    animated: bool
    """True: there were more frames, and this is the first."""
    sharpness: float
    """Variance of the Laplacian of the central square, grey 0..255, at SHARPNESS_SIDE."""
    difference_hash: int
    """64 bits that stay nearly the same when a picture is scaled, recoloured or compressed."""
    thumbnail: bytes
    """THUMBNAIL_SIDE x THUMBNAIL_SIDE in grey, row by row: tells drawings apart, whose hash is
    nearly empty."""


def kind_of(data: bytes) -> str:
    """Pillow's name of the format, from the content alone.

    Raises:
        UnreadableError: it is something that is not opened here.
    """
    for start, name in _KNOWN.items():
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _container(data[8:12].decode("latin-1"))
    raise UnreadableError(f"it is {_what(data)}; use {ALLOWED}")


def decode(data: bytes, sizes: Sizes = SUBJECT) -> Decoded:
    """One picture, upright, in sRGB over white, without metadata.

    Raises:
        UnreadableError: says what is wrong with it.
    """
    image = _opened(data, kind_of(data))
    _check_size(*image.size, sizes.least_side)
    try:
        animated = image.format in ANIMATED and bool(getattr(image, "is_animated", False))
        picture = _clean(image, sizes.kept_side)
    except MemoryError as error:
        raise UnreadableError("it needs too much memory to decode; make it smaller") from error
    except (
        Exception
    ) as error:  # Pillow's decoders raise whatever a damaged file makes them trip over
        raise UnreadableError("it is cut off or damaged; save or copy it again") from error
    _check_size(*picture.size, sizes.least_side)
    file = BytesIO()
    picture.save(file, "PNG", compress_level=PNG_COMPRESSION)
    return Decoded(
        png=file.getvalue(),
        width=picture.width,
        height=picture.height,
        animated=animated,
        sharpness=sharpness(picture),
        difference_hash=difference_hash(picture),
        thumbnail=thumbnail(picture),
    )


def sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian of the central square, at SHARPNESS_SIDE or smaller."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.convert("L").crop((left, top, left + side, top + side))
    if side > SHARPNESS_SIDE:
        square = square.resize((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.LANCZOS)
    grey = np.asarray(square, dtype=np.float32)
    centre = grey[1:-1, 1:-1]
    neighbours = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((neighbours - 4 * centre).var())


def difference_hash(picture: Image.Image) -> int:
    """A bit for each of 8 x 8 places: is the place to the right brighter?"""
    grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def thumbnail(picture: Image.Image) -> bytes:
    """The picture in grey, squeezed into a square of THUMBNAIL_SIDE."""
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return picture.convert("L").resize(side, Image.Resampling.BOX).tobytes()


def _container(brand: str) -> str:
    if brand in _HEIF_BRANDS:
        return "HEIF"
    if brand.startswith("avi"):
        raise UnreadableError(f"it is an AVIF picture; use {ALLOWED}")
    raise UnreadableError(f"it is a video; use {ALLOWED}")


def _what(data: bytes) -> str:
    if not data:
        return "an empty file"
    for start, words in _REFUSED.items():
        if data.startswith(start):
            return words
    head = data[:1024]
    if b"<svg" in head.lower():
        return "an SVG drawing"
    if b"\0" not in head and _is_text(head):
        return "text"
    return "not a picture"


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode()  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _opened(data: bytes, kind: str) -> Image.Image:
    if kind == "HEIF":
        import pi_heif

        pi_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False)
    try:
        return Image.open(BytesIO(data), formats=[kind])
    except Exception as error:  # as in `decode`
        raise UnreadableError("it is cut off or damaged; save or copy it again") from error


def _check_size(width: int, height: int, least_side: int) -> None:
    if width * height > MOST_PIXELS:
        megapixels = math.ceil(width * height / 1e6)
        raise UnreadableError(
            f"{width} x {height} is {megapixels} megapixels, at most {MOST_PIXELS // 10**6} are"
            " allowed; make it smaller"
        )
    if min(width, height) < least_side:
        raise UnreadableError(
            f"{width} x {height} is too small, at least {least_side} x {least_side} is needed"
        )
    if max(width, height) > LONGEST_ASPECT * min(width, height):
        raise UnreadableError(
            f"{width} x {height} is too long, at most {LONGEST_ASPECT} to 1 is allowed; crop it"
        )


def _clean(image: Image.Image, kept_side: int) -> Image.Image:
    """RGB, upright, at most LARGEST_SIDE and `kept_side`, with nothing attached."""
    scale = min(1.0, LARGEST_SIDE / max(image.size), kept_side / min(image.size))
    fitted = (round(image.width * scale), round(image.height * scale))
    image.draft(
        None, fitted
    )  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is still large enough
    profile = image.info.get("icc_profile")
    image = _scalable(image)
    image.thumbnail((max(fitted), max(fitted)), Image.Resampling.LANCZOS)
    image = ImageOps.exif_transpose(image)
    image = _srgb(_over_white(image), profile)
    image.info = {}  # Pillow would write the colour profile into the PNG
    return image


def _scalable(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: no palette, no 16 bits, no 1 bit."""
    if image.mode.startswith("I"):  # 16-bit grey
        grey = (np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey)
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours as they were meant: phones write Display P3, printers CMYK."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a profile that does not fit is passed over, as browsers do
        if converted is not None:
            return converted
    return image.convert("RGB")
