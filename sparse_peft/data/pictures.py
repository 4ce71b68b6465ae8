"""A person's pictures, opened safely and checked in plain words."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft.data.findings import Finding, Severity, UnreadableError, shown
from sparse_peft.data.opening.clean import ALLOWED, Decoded
from sparse_peft.data.opening.folder import in_words, listing, read_inside
from sparse_peft.data.opening.sandbox import Sandbox
from sparse_peft.errors import SpecError
from sparse_peft.files import write_bytes

MOST_PICTURES = 200
MOST_BYTES = 25 * 2**20  # a picture
MOST_BYTES_TOGETHER = 300 * 2**20
WANTED_SIDE = 256  # px

# Over the photographs of 20 DreamBooth subjects: 158 at the least as they are, 17 at the most once
# blurred by 0.8 % of their side (median 7).
BLURRY_BELOW = 40.0
# Of 64 bits. Two photographs of one subject differ in 9 at the least; the same one scaled to a
# half in 2 at the most, brightened by 15 % in 4 (9 of 10 times), cropped by 2 % in 4 (every other).
NEARLY_THE_SAME = 6


@dataclass(frozen=True)
class Picture:
    """One clean picture: an RGB PNG named by its content."""

    name: str
    """What the person called the file."""
    sha256: str
    width: int
    height: int
    crop: tuple[int, int, int, int]
    """The square that the backbone sees: left, top, right, bottom."""
    caption: str | None = None

    def __post_init__(self) -> None:
        left, top, right, bottom = self.crop
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise SpecError(f"sha256 {self.sha256[:70]!r} is not one")  # it becomes a file's name
        inside = 0 <= left < right <= self.width and 0 <= top < bottom <= self.height
        if not inside or right - left != bottom - top:
            raise SpecError(
                f"crop {self.crop} is not a square inside {self.width} x {self.height} pixels"
            )

    @property
    def file(self) -> str:
        """The name of the PNG."""
        return f"{self.sha256[:16]}.png"


@dataclass(frozen=True)
class Opened:
    """The pictures that can be used, and what there is to say about all of them."""

    pictures: tuple[Picture, ...]
    findings: tuple[Finding, ...]
    files: tuple[Path, ...]
    """Where each picture was read."""


def open_pictures(
    source: Path | Sequence[Path], into: Path, wanted_side: int = WANTED_SIDE
) -> Opened:
    """Decode a folder or a list of files in a limited process, and write clean PNGs into a folder.

    A picture that cannot be used is left out with a finding; a finding that stops says why nothing
    can start. Nothing is written before the count and the sizes are known to be allowed.

    Args:
        into: an existing folder for the PNGs.
        wanted_side: of the square that the backbone sees; smaller ones get a warning.

    Raises:
        DataError: there is no such folder.
    """
    found = listing(source)
    where = source if isinstance(source, Path) else "the list"
    problem = _count_problem(found.files, where)
    if problem:
        return Opened((), (*found.findings, Finding(None, "stop", problem)), ())
    row = _Row(list(found.findings))
    with Sandbox() as sandbox:
        for path in found.files:
            try:
                decoded = sandbox.decode(read_inside(path, MOST_BYTES))
            except UnreadableError as error:
                row.say(path, "warn", f"could not be read, left out: {error}.")
                continue
            if row.add(path, decoded, wanted_side):
                write_bytes(into / row.pictures[-1].file, decoded.png)
    row.findings.extend(_few(len(row.pictures), len(found.files), where))
    return Opened(tuple(row.pictures), tuple(row.findings), tuple(row.files))


class _Row:
    """The pictures so far, each checked against those before it."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        self.pictures: list[Picture] = []
        self.files: list[Path] = []
        self._hashes: list[int] = []

    def say(self, path: Path, severity: Severity, text: str) -> None:
        self.findings.append(Finding(shown(path.name), severity, text))

    def add(self, path: Path, decoded: Decoded, wanted_side: int) -> bool:
        """Take a picture in, unless it is there already."""
        picture = _picture(path, decoded)
        for known in self.pictures:
            if known.sha256 == picture.sha256:
                self.say(path, "warn", f"the same as {known.name}, left out")
                return False
        self._check(path, decoded, wanted_side)
        self.pictures.append(picture)
        self.files.append(path)
        self._hashes.append(decoded.difference_hash)
        return True

    def _check(self, path: Path, decoded: Decoded, wanted_side: int) -> None:
        side = min(decoded.width, decoded.height)
        if decoded.animated:
            self.say(path, "info", "animated: first frame used")
        if side < wanted_side:
            self.say(path, "warn", f"small: {side} px, {wanted_side} wanted")
        if decoded.sharpness < BLURRY_BELOW:
            self.say(path, "warn", "blurry")
        for number, other in enumerate(self._hashes, 1):
            if (other ^ decoded.difference_hash).bit_count() <= NEARLY_THE_SAME:
                name = self.pictures[number - 1].name
                self.say(path, "warn", f"nearly the same as {number} ({name})")
                return


def _picture(path: Path, decoded: Decoded) -> Picture:
    side = min(decoded.width, decoded.height)
    left, top = (decoded.width - side) // 2, (decoded.height - side) // 2
    return Picture(
        name=shown(path.name),
        sha256=hashlib.sha256(decoded.png).hexdigest(),
        width=decoded.width,
        height=decoded.height,
        crop=(left, top, left + side, top + side),
    )


def _count_problem(files: Sequence[Path], where: object) -> str | None:
    """Why so many files, or so large ones, are not opened at all."""
    if not files:
        return f"There are no pictures in {where}; put 3 to 6 of one subject there ({ALLOWED})."
    if len(files) > MOST_PICTURES:
        return (
            f"There are {len(files)} files in {where}, at most {MOST_PICTURES} are allowed;"
            " 3 to 6 good pictures are enough."
        )
    together = sum(path.stat().st_size for path in files if path.is_file())
    if together > MOST_BYTES_TOGETHER:
        return (
            f"The {len(files)} files in {where} have {in_words(together)} together, at most"
            f" {in_words(MOST_BYTES_TOGETHER)} are allowed; take fewer or smaller pictures."
        )
    return None


def _few(ready: int, of: int, where: object) -> Iterator[Finding]:
    if ready == 0:
        files = "The one file" if of == 1 else f"None of the {of} files"
        cannot = "cannot" if of == 1 else "can"
        yield Finding(
            None,
            "stop",
            f"{files} in {where} {cannot} be used; put 3 to 6 pictures there ({ALLOWED}).",
        )
    elif ready == 1:
        yield Finding(
            None,
            "warn",
            "One picture works, but every method will copy its background."
            " Two or three more help a lot.",
        )
