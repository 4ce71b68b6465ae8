"""The pictures of a labelled set as a backbone sees them: decoded once, framed, kept as bytes."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import DataError

KEPT_BYTES = 1 << 30  # of decoded pictures, and of framed ones; what is beyond is decoded again
MOST_THREADS = 8  # decode and scale
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # in published sets, names deceive

Frame = Callable[[Image.Image], Image.Image]
Squares = list[Future[Tensor]]
"""Pictures as the backbone will see them, each perhaps still being made."""


class Kept:
    """Pictures by place, each made when it is first asked for and kept while there is room."""

    def __init__(
        self, make: Callable[[int], UInt8[Tensor, "3 _ _"]], most_bytes: int = KEPT_BYTES
    ) -> None:
        self._make, self._room = make, most_bytes
        self._pictures: dict[int, Tensor] = {}
        self._lock = threading.Lock()

    def at(self, place: int) -> UInt8[Tensor, "3 _ _"]:
        """The picture of a place; several threads may ask."""
        found = self._pictures.get(place)
        if found is not None:
            return found
        made = self._make(place)
        with self._lock:
            if place not in self._pictures and made.numel() <= self._room:
                self._pictures[place] = made
                self._room -= made.numel()
        return made


class Pictures:
    """A labelled set's pictures, as they are and as the backbone sees them.

    Args:
        folder: where data.json is.
        frame: makes of a picture the square that the backbone sees.
        framed: squares that were made before, by place.
    """

    def __init__(
        self,
        labelled: Labelled,
        folder: Path,
        frame: Frame,
        framed: Mapping[int, UInt8[Tensor, "3 s s"]] | None = None,
        most_bytes: int = KEPT_BYTES,
    ) -> None:
        self.labelled = labelled
        self._home, self._given = labelled.home(folder), framed or {}
        self._whole = Kept(lambda place: as_bytes(self._opened(place)), most_bytes)
        self._squares = Kept(lambda place: as_bytes(frame(self._opened(place))), most_bytes)
        self.pool = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))

    def whole(self, place: int) -> UInt8[Tensor, "3 H W"]:
        """A picture as it is."""
        return self._whole.at(place)

    def squares(self, places: Sequence[int]) -> UInt8[Tensor, "B 3 s s"]:
        """Pictures as the backbone sees them."""
        return joined(self.begun(places))

    def begun(self, places: Sequence[int]) -> Squares:
        """Pictures as the backbone will see them: they are made while something else goes on."""
        return [self.pool.submit(self._square, place) for place in places]

    def _square(self, place: int) -> UInt8[Tensor, "3 s s"]:
        given = self._given.get(place)
        return self._squares.at(place) if given is None else given

    def _opened(self, place: int) -> Image.Image:
        return read(self._home / self.labelled.pictures[place].file)


def joined(squares: Squares) -> UInt8[Tensor, "B 3 s s"]:
    """The pictures, once they are there."""
    return torch.stack([square.result() for square in squares])


def read(path: Path) -> Image.Image:
    """A picture of a checked set, decoded.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow says of a damaged file
        raise DataError(
            f"{path} is missing or cannot be read. Put it back as it was published, or open the "
            "pictures again."
        ) from error


def as_bytes(image: Image.Image) -> UInt8[Tensor, "3 H W"]:
    """A picture as a tensor, laid out so that cropping and scaling it is fast."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def scaled(pixels: UInt8[Tensor, "B 3 s s"], device: torch.device) -> Float[Tensor, "B 3 s s"]:
    """Pictures in [-1, 1], made of bytes on the device itself."""
    return pixels.to(device).float().div_(127.5).sub_(1)


def framing(side: int, preprocessing: Mapping[str, Any]) -> Frame:
    """What open_clip does with a picture before it becomes numbers: scale, then the central square.

    Args:
        side: in pixels, of the square.
        preprocessing: interpolation and resize_mode, as in open_clip_config.json.
    """
    from open_clip.transform import image_transform

    whole = image_transform(
        side,
        is_train=False,
        interpolation=preprocessing["interpolation"],
        resize_mode=preprocessing["resize_mode"],
    )
    *geometry, _mode, _numbers, _normal = whole.transforms

    def frame(image: Image.Image) -> Image.Image:
        for step in geometry:
            image = step(image)
        return image

    return frame
