"""Pictures that people send by mistake, and pictures that were made to do harm."""

import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageDraw

HEIC = Path(__file__).parent / "files" / "rotated.heic"  # 96 x 64, turned by its container


def scene(width: int = 128, height: int = 96, seed: int = 0) -> Image.Image:
    """A picture with edges: four coloured quarters and some bars that the seed places."""
    picture = Image.new("RGB", (width, height), "blue")
    picture.paste("red", (0, 0, width // 2, height // 2))
    picture.paste("lime", (width // 2, 0, width, height // 2))
    picture.paste("white", (0, height // 2, width // 2, height))
    draw = ImageDraw.Draw(picture)
    for x, y, grey in np.random.default_rng(seed).integers(0, 256, (12, 3)).tolist():
        left, top = x * width // 320 + width // 20, y * height // 320 + height // 20
        draw.rectangle(
            (left, top, left + width // 8, top + height // 12), fill=(grey, grey // 2, grey)
        )
    return picture


def quarters(width: int = 128, height: int = 96) -> Image.Image:
    """Red, lime, white and blue, from the top left."""
    picture = Image.new("RGB", (width, height), "blue")
    picture.paste("red", (0, 0, width // 2, height // 2))
    picture.paste("lime", (width // 2, 0, width, height // 2))
    picture.paste("white", (0, height // 2, width // 2, height))
    return picture


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def jpeg(seed: int = 0) -> bytes:
    return encoded(scene(seed=seed), "JPEG")


def phone_jpeg() -> bytes:
    """Held upright (EXIF orientation 6), with the place where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretMaker"
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (52.0, 31.0, 12.0)
    return encoded(quarters(), "JPEG", exif=exif, comment=b"SecretComment", quality=95)


def swapped_profile() -> bytes:
    """A colour profile in which red means green: sRGB with two of its primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks(png: bytes) -> list[bytes]:
    """The kinds of the chunks of a PNG."""
    kinds, at = [], 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kinds.append(png[at + 4 : at + 8])
        at += size + 12
    return kinds


def huge_png(side: int = 20_000) -> bytes:
    """A valid PNG of `side` x `side` in one bit a pixel, compressed row by row: about 50 kB."""
    stream = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    body = b"".join(stream.compress(row) for _ in range(side)) + stream.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb_png() -> bytes:
    """A small PNG whose comment unpacks to 200 MB."""
    stream = zlib.compressobj(9)
    bomb = b"".join(stream.compress(bytes(2**20)) for _ in range(200)) + stream.flush()
    png = encoded(scene(), "PNG")
    return png[:33] + chunk(b"zTXt", b"Comment\0\0" + bomb) + png[33:]


def data_bomb_png() -> bytes:
    """A PNG of 128 x 96 whose pixels unpack to 200 MB."""
    stream = zlib.compressobj(9)
    body = b"".join(stream.compress(bytes(2**20)) for _ in range(200)) + stream.flush()
    head = struct.pack(">IIBBBBB", 128, 96, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def huge_heic() -> bytes:
    """A HEIC that says it is 20000 x 20000."""
    data = HEIC.read_bytes()
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", 20_000, 20_000) + data[at + 8 :]


def animated(form: str) -> bytes:
    frames = [quarters(), quarters().transpose(Image.Transpose.ROTATE_180)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=100)


def polyglot() -> bytes:
    """A JPEG that is a zip archive too."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil.sh", "echo SecretPayload")
    return jpeg() + file.getvalue()


def sixteen_bit_grey() -> bytes:
    ramp = np.tile(np.linspace(0, 65_535, 128).astype(np.uint16), (96, 1))
    return encoded(Image.fromarray(ramp), "PNG")


def half_transparent(mode: str) -> bytes:
    """Left half opaque red, right half transparent."""
    picture = Image.new("RGBA", (128, 96), (255, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (64, 0, 128, 96))
    return encoded(picture if mode == "RGBA" else picture.quantize(4), "PNG")


SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)

REFUSED = {
    "text": (lambda: b"I am no picture.\n" * 20, "it is text"),
    "empty": (lambda: b"", "it is an empty file"),
    "html": (lambda: b"<html><script>alert(1)</script></html>", "it is text"),
    "svg": (lambda: SVG, "it is an SVG drawing"),
    "tiff": (lambda: encoded(scene(), "TIFF"), "it is a TIFF"),
    "pdf": (lambda: encoded(scene(), "PDF"), "it is a PDF"),
    "icon": (lambda: encoded(scene(64, 64), "ICO"), "it is an icon"),
    "avif": (lambda: b"\0\0\0\x1cftypavif" + bytes(64), "it is an AVIF picture"),
    "video": (lambda: b"\0\0\0\x1cftypqt  " + bytes(64), "it is a video"),
    "zip": (lambda: b"PK\x03\x04" + bytes(64), "it is a zip archive"),
    "noise": (lambda: bytes(range(255, 0, -1)) * 8, "it is not a picture"),
    "truncated jpeg": (lambda: encoded(scene(640, 480), "JPEG")[:-1200], "cut off or damaged"),
    "truncated png": (lambda: encoded(scene(), "PNG")[:300], "cut off or damaged"),
    "truncated webp": (lambda: encoded(scene(), "WEBP")[:300], "cut off or damaged"),
    "truncated heic": (lambda: HEIC.read_bytes()[:600], "cut off or damaged"),
    "name only": (lambda: b"\xff\xd8\xff", "cut off or damaged"),
    "huge png": (huge_png, "20000 x 20000 is 400 megapixels, at most 40 are allowed"),
    "huge heic": (huge_heic, "20000 x 20000 is 400 megapixels, at most 40 are allowed"),
    "text bomb": (text_bomb_png, "cut off or damaged"),
    "tiny": (lambda: encoded(scene(32, 32), "PNG"), "32 x 32 is too small"),
    "long": (lambda: encoded(scene(2000, 100), "PNG"), "2000 x 100 is too long"),
}
