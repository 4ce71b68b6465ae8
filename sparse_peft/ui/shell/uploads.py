"""Files out of a form that a browser sends, written to the disk as they come."""

import secrets
import shutil
import unicodedata
from pathlib import Path
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from sparse_peft.data.pictures import MOST_PICTURES
from sparse_peft.errors import DataError

LONGEST_NAME = 100  # characters; 255 bytes are allowed, and one may need four of them
_TORN = "The files did not arrive whole. Send them again."


async def keep_files(
    request: Request, field: str, folder: Path, most: int = MOST_PICTURES
) -> list[Path]:
    """The files of a form under the names that they came with, all or none.

    Each is in a folder of its own below `folder`, which nobody can guess. The caller sees to the
    size of the whole.

    Args:
        field: its name in the form; other fields are passed over.
        most: how many files may come at once.

    Raises:
        DataError: no form, too many files, or the sender broke off.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise DataError("Files are sent as multipart/form-data. Load the page again.")
    form = _Form(field.encode(), folder, most)
    try:
        await _read(request, form, boundary)
    except BaseException:
        form.part_end()
        for path in form.paths:
            shutil.rmtree(path.parent)
        raise
    return form.paths


async def _read(request: Request, form: "_Form", boundary: bytes) -> None:
    try:
        parser = form.parser(boundary)
        async for chunk in request.stream():
            parser.write(chunk)
    except FormParserError as error:
        raise DataError(_TORN) from error
    if not form.complete:
        raise DataError(_TORN)


class _Form:
    """What the parser has found so far."""

    def __init__(self, field: bytes, folder: Path, most: int) -> None:
        self.paths: list[Path] = []
        self.complete = False
        self._field, self._folder, self._most = field, folder, most
        self._file: IO[bytes] | None = None
        self._name, self._value, self._disposition = b"", b"", b""

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self.part_end,
                "on_end": self._end,
            },
        )

    def part_end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begin(self) -> None:
        self._name, self._value, self._disposition = b"", b"", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"filename")
        if options.get(b"name") != self._field or not name:  # no name: nothing was chosen
            return
        if len(self.paths) == self._most:
            enough = "; 3 to 6 good pictures are enough" if self._most == MOST_PICTURES else ""
            raise DataError(f"More than {self._most} files came at once{enough}.")
        own = self._folder / secrets.token_hex(16)
        path = own / plain_name(name.decode(errors="replace"))
        path.parent.mkdir(parents=True)
        self.paths.append(path)
        self._file = path.open("xb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self.complete = True


def plain_name(name: str) -> str:
    """A file's name without folders, control characters and overlength."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    if shown.strip(".") == "":
        return "picture"
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix) >= LONGEST_NAME:
        return shown[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - len(suffix) - 1]}.{suffix}"
