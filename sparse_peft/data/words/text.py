"""Short texts that a person wrote: captions, prompts."""

from pathlib import Path

from sparse_peft.errors import DataError

MOST_BYTES = 2**20
LONGEST_LINE = 300  # characters; no text encoder here reads more than 77 tokens


def read_text(path: Path) -> str:
    """The content of a small text file; DataError says what is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give a text file.") from error
    if len(data) > MOST_BYTES:
        raise DataError(
            f"{path} is larger than 1 MB; it should hold one short line a picture or prompt."
        )
    return as_text(data, path)


def as_text(data: bytes, where: object) -> str:
    """Bytes as UTF-8 text, with or without a byte-order mark."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not text in UTF-8; save it as UTF-8.") from error
    if "\0" in text:
        raise DataError(f"{where} is not a text file; save it as plain text.")
    return text


def check_line(text: str, where: object) -> None:
    """Return if the text is one printable line of at most LONGEST_LINE characters."""
    if len(text) > LONGEST_LINE:
        raise DataError(
            f"{where} has {len(text)} characters, at most {LONGEST_LINE} are allowed; shorten it."
        )
    if not text.isprintable():
        raise DataError(f"{where} has line breaks or control characters; write one plain line.")
