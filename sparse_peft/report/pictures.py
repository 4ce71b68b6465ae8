"""The pictures of a comparison: read by their path in it, and shown by whatever is their `src`."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

EXACT_SIDE = 96  # pixels up to which a picture is embedded as it is
TEST_SIDE, WAY_SIDE = 224, 160  # pixels to which larger ones are brought down

Read = Callable[[str], bytes]
"""The content of a file of a comparison, by its path in comparison.json."""

Source = Callable[[str], str]
"""The `src` of a picture of a comparison, by its path in comparison.json."""


class Sources(NamedTuple):
    """Where a page takes its pictures from, by what they are."""

    test: Source
    """test pictures of a column's first training, the base's, the person's, the maps"""
    again: Source
    """test pictures of its other trainings"""
    way: Source
    """pictures of earlier steps"""


def below(folder: Path) -> Read:
    """Files that lie in `folder` as comparison.json says.

    Raises:
        ValueError: when asked for a path that leads out of it. A report is there to be sent to
            others, and nobody looks through the comparison.json that they got from someone.
    """
    root = folder.resolve()

    def read(path: str) -> bytes:
        file = (root / path).resolve()
        if not file.is_relative_to(root):
            raise ValueError(f"{path} lies outside {folder}")
        return file.read_bytes()

    return read


def embedded(read: Read, *, exact: bool = True, side: int = TEST_SIDE) -> Source:
    """Pictures as data URIs: small ones whole, or in 256 colours where not `exact`."""

    def source(path: str) -> str:
        content = read(path)
        with Image.open(io.BytesIO(content)) as picture:
            if max(picture.size) <= EXACT_SIDE and exact:
                return _data("png", content)
            return _smaller(picture.convert("RGB"), side)

    return source


def all_embedded(read: Read) -> Sources:
    """Everything inside one file; the less a picture decides, the fewer bytes it gets."""
    return Sources(
        test=embedded(read),
        again=embedded(read, exact=False),
        way=embedded(read, exact=False, side=WAY_SIDE),
    )


def _smaller(image: Image.Image, side: int) -> str:
    buffer = io.BytesIO()
    if max(image.size) <= EXACT_SIDE:
        image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
        return _data("png", buffer.getvalue())
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(buffer, "JPEG", quality=88)  # brought down, it is no longer the sample anyway
    return _data("jpeg", buffer.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
