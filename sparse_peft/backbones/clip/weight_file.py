"""Whether a file can be one of weights, told from its first bytes and its lists; no torch."""

import struct
import zipfile
import zlib
from pathlib import Path

from sparse_peft.errors import BackboneError

TORCH = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # the number before all that torch wrote before it wrote ZIPs
START = 32  # bytes from the start, within which it stands
LENGTH = 8  # bytes that say how long the header of a safetensors file is
NUMPY = b"\x93NUMPY"
TABLE = "/data.pkl"  # names of tensors in a ZIP of torch
# What zipfile raises at damaged lists and contents, and at encrypted ones.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError),
    *(NotImplementedError, ValueError, OverflowError),
)


def check_start(file: Path, title: str) -> None:
    """Return if a file looks like weights: nothing is queued or fetched for one that does not.

    Raises:
        BackboneError: it cannot be read, or is none.
    """
    try:
        good = _is_good(file)
    except OSError as error:
        raise BackboneError(f"{file} cannot be read ({error.strerror}).") from error
    except DAMAGED:
        good = False
    if not good:
        raise BackboneError(
            f"{title} could not be loaded: {file} is damaged, or no file of weights. Fetch it "
            "again."
        )


def _is_good(file: Path) -> bool:
    with file.open("rb") as opened:
        start = opened.read(START)
    if file.suffix == ".safetensors":
        length = int.from_bytes(start[:LENGTH], "little")
        return start[LENGTH : LENGTH + 1] == b"{" and LENGTH + length <= file.stat().st_size
    if file.suffix == ".npy":
        return start.startswith(NUMPY)
    if not zipfile.is_zipfile(file):
        return TORCH in start
    return file.suffix == ".npz" or _holds_table(file)


def _holds_table(file: Path) -> bool:
    """Whether a ZIP is torch's, and its table of tensors is what was written."""
    with zipfile.ZipFile(file) as archive:
        tables = [name for name in archive.namelist() if name.endswith(TABLE)]
        return bool(tables) and all(archive.read(name) for name in tables)
