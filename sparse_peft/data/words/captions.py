"""Captions: what a picture shows besides its subject.

Two forms are read. A captions file has a line a picture, `00.jpg,on the grass`, with a comma or a
tab, and may begin with a heading line such as `file_name,text`. Otherwise a file `00.txt` beside
`00.jpg` is its caption, as kohya's trainers have it.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.folder import read_inside
from sparse_peft.data.words.text import as_text, check_line, read_text
from sparse_peft.errors import DataError
from sparse_peft.tables import nearest

HEADINGS = ("file_name", "filename", "file", "image", "picture")
MOST_SIDECAR_BYTES = 4096


def read_captions(path: Path, pictures: Iterable[str]) -> dict[str, str]:
    """Captions by picture from one file; a picture without one is absent.

    Args:
        pictures: the names of the files in the folder, usable or not.

    Raises:
        DataError: names the file and the line.
    """
    allowed = set(pictures)
    captions: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        name, caption = _cells(line, where)
        if number == 1 and name.lower() in HEADINGS:
            continue
        if name not in allowed:
            close = nearest(name, allowed)
            advice = (
                f"Did you mean {close!r}?" if close else "Write the name of a file that is there."
            )
            raise DataError(f"{where} names {name!r}, which is not in the folder. {advice}")
        if name in captions:
            raise DataError(f"{where} names {name!r} a second time; keep one caption a picture.")
        check_line(caption, where)
        captions[name] = caption
    return {name: caption for name, caption in captions.items() if caption}


def read_sidecars(pictures: Sequence[Path]) -> dict[str, str]:
    """Captions by picture from text files of the same name beside the pictures."""
    captions = {}
    for picture in pictures:
        sidecar = picture.with_suffix(".txt")
        if not os.path.lexists(sidecar):
            continue
        try:
            text = as_text(read_inside(sidecar, MOST_SIDECAR_BYTES), sidecar).strip()
        except UnreadableError as error:
            raise DataError(f"The caption {sidecar} could not be read: {error}.") from error
        check_line(text, f"The caption {sidecar}")
        if text:
            captions[picture.name] = text
    return captions


def _cells(line: str, where: str) -> tuple[str, str]:
    delimiter = "\t" if "\t" in line else ","
    try:
        name, *rest = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(f"{where} has unbalanced quotes; write: 00.jpg,on the grass") from error
    if not rest:
        raise DataError(f"{where} has no comma or tab; write: 00.jpg,on the grass")
    return name.strip(), delimiter.join(rest).strip()
