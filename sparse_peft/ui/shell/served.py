"""Files that the page shows: read from below one folder, never through a link."""

import functools
import io
import os
import re
import stat
from pathlib import Path

from PIL import Image
from starlette.responses import Response

from sparse_peft.errors import DataError, UserError
from sparse_peft.runs.run import RunDirectory
from sparse_peft.ui.shell.refusals import not_there

MOST_BYTES = 64 * 2**20  # no picture of ours is as large
MOST_SIDE = 1024  # px, of a picture that is scaled
USUAL_SIDE = 256
KEPT_SECONDS = 3600  # by the browser: a picture's content never changes under its name

IN_PLACE = ("JPEG", "PNG")  # what published sets hold
PICTURE = r"[0-9a-f]{16}\.png"
DATA = rf"[\w-]+/{PICTURE}"
OUTPUT = r"[\w-]+/(change\.png|samples/([\w-]+/)*[\w-]+\.png)"
EXAMPLE = r"(samples|changes|pictures)/([\w-]+/)*[\w-]+\.png"
SUBJECT = r"(cat|owl|bug|cup)/[\w-]+\.png"
FONT = r"[A-Za-z]+-[A-Za-z]+\.woff2"
_TYPES = {".png": "image/png", ".woff2": "font/woff2"}
_ID = re.compile(r"[\w-]+", re.ASCII)


def answer(folder: Path, name: str, allowed: str, *, private: bool = True) -> Response:
    """A file below a folder.

    Args:
        allowed: what the whole name must match; it ends in a suffix that we know.
        private: whether only this person's browser may keep it.

    Raises:
        RefusedError: no such name is served, or nothing of that name is there.
    """
    content = read(folder, name, allowed)
    return _response(content, Path(name).suffix, private=private)


def small(folder: Path, name: str, allowed: str, square: str | None, side: int | None) -> Response:
    """A picture as it is, or scaled down to `side` pixels, or a square of it.

    Args:
        square: left,top,right,bottom.

    Raises:
        RefusedError: as in `answer`.
        DataError: no such square, or a side that is out of range.
    """
    content = read(folder, name, allowed)
    if square is not None or side is not None:
        content = _scaled(content, square, USUAL_SIDE if side is None else side)
    return _response(content, ".png", private=True)


def any_small(path: Path, side: int) -> Response:
    """A picture of a set that stays where its owner keeps it, scaled down to `side` pixels.

    Raises:
        RefusedError: it is gone, or no picture.
        DataError: a side that is out of range.
    """
    _check_side(side)
    try:
        with Image.open(path, formats=IN_PLACE) as picture:
            picture.draft("RGB", (side, side))
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
            written = io.BytesIO()
            picture.convert("RGB").save(written, "PNG", compress_level=1)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise not_there() from error
    return _response(written.getvalue(), ".png", private=True)


def read(folder: Path, name: str, allowed: str) -> bytes:
    """The content of a regular file that no link leads to.

    Raises:
        RefusedError: no such name is served, or nothing of that name is there.
    """
    if not re.fullmatch(allowed, name, re.ASCII):
        raise not_there()
    try:
        root = folder.resolve(strict=True)
        if (root / name).resolve(strict=True) != root / name:
            raise not_there(audit="a link")
        with open(root / name, "rb", opener=_open_safely) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise not_there(audit="not a file")
            return file.read(MOST_BYTES)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        raise not_there() from error


def check_owner(home: Path, run: str, owner: str) -> None:
    """Return if a run is this owner's.

    Raises:
        RefusedError: it is another's, or there is none.
    """
    try:
        held = _owner(home, run) if is_id(run) else None
    except (OSError, UserError) as error:
        raise not_there() from error
    if held != owner:
        raise not_there(audit="run of another owner, or no run")


def is_id(text: str) -> bool:
    """Whether a run, a comparison or a data set can be called so."""
    return bool(_ID.fullmatch(text))


@functools.lru_cache(maxsize=1024)
def _owner(home: Path, run: str) -> str:
    return RunDirectory.of(home, run).spec.owner  # it never changes


def _open_safely(path: str, flags: int) -> int:
    # NOFOLLOW, NONBLOCK: what was looked at a moment ago may be a link or a pipe by now.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _response(content: bytes, suffix: str, *, private: bool) -> Response:
    keep = f"{'private' if private else 'public'}, max-age={KEPT_SECONDS}"
    return Response(content, media_type=_TYPES[suffix], headers={"cache-control": keep})


def _scaled(content: bytes, square: str | None, side: int) -> bytes:
    """A PNG whose longer side has `side` pixels, or its own number where that is less."""
    _check_side(side)
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        box = _box(square, picture.size)
        width, height = box[2] - box[0], box[3] - box[1]
        scale = min(1.0, side / max(width, height))
        scaled = picture.convert("RGB").resize(
            (max(1, round(width * scale)), max(1, round(height * scale))),
            Image.Resampling.LANCZOS,
            box=box,
            reducing_gap=3.0,
        )
    written = io.BytesIO()
    scaled.save(written, "PNG", compress_level=1)
    return written.getvalue()


def _check_side(side: int) -> None:
    if not 1 <= side <= MOST_SIDE:
        raise DataError(f"side is {side}; use 1 to {MOST_SIDE}.")


def _box(square: str | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    if square is None:
        return 0, 0, *size
    if not re.fullmatch(r"\d{1,5}(,\d{1,5}){3}", square, re.ASCII):
        raise DataError("square is four numbers: left,top,right,bottom.")
    left, top, right, bottom = (int(number) for number in square.split(","))
    inside = 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    if not inside or right - left != bottom - top:
        raise DataError(f"{square} is no square inside {size[0]} x {size[1]} pixels.")
    return left, top, right, bottom
