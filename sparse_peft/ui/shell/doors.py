"""Which requests are let in at all, and what each of them needs."""

import re
from dataclasses import dataclass
from typing import Literal

from sparse_peft.data.pictures import MOST_BYTES_TOGETHER

Need = Literal["nothing", "page", "event", "upload", "own"]

MOST_JSON_BYTES = 2**20
MOST_UPLOAD_BYTES = MOST_BYTES_TOGETHER + 2**20  # names and boundaries of the form


@dataclass(frozen=True)
class Door:
    """A kind of request that is let in."""

    method: str
    path: re.Pattern[str]
    need: Need
    """page: gives the owner cookie; event, upload: ask for it; own: our routes see to it"""

    @property
    def most_bytes(self) -> int:
        """Of the request's body."""
        return MOST_UPLOAD_BYTES if self.need == "upload" else MOST_JSON_BYTES


def _door(method: str, path: str, need: Need) -> Door:
    return Door(method, re.compile(path), need)


# All that the page and gradio_client ask Gradio for. Everything else it offers stays shut: files
# by their path, proxies, saved runs, monitoring, streams, and what a new version may add.
DOORS = (
    _door("GET", r"/", "page"),
    _door("HEAD", r"/", "nothing"),
    _door("GET", r"/config", "page"),
    _door("GET", r"/(assets|static)/[\w./@-]+", "nothing"),
    _door("GET", r"/(theme\.css|favicon\.ico|robots\.txt|manifest\.json)", "nothing"),
    _door("GET", r"/gradio_api/(info|app_id)", "nothing"),
    _door("POST", r"/gradio_api/(run/predict|queue/join)", "event"),
    _door("GET", r"/gradio_api/(queue/data|heartbeat/\w+(-\w+)*)", "event"),
    _door("POST", r"/gradio_api/upload", "upload"),
    _door("POST", r"/studio/(pictures|classes|classes/archive)", "upload"),
    _door("POST", r"/studio/comparisons/[\w-]+/try", "upload"),
    _door("GET", r"/healthz", "own"),
    _door("GET", r"/studio/.+", "own"),
)

_ENCODED = re.compile(rb"%(2f|5c|2e|25|[01]|7f)", re.IGNORECASE)
_PLAIN = re.compile(r"(/(?!\.\.?(/|$))[^/\\%\x00-\x1f\x7f]+)*/?")


def door_for(method: str, path: str) -> Door | None:
    """The door that a request may come in by; None if there is none."""
    for door in DOORS:
        if door.method == method and door.path.fullmatch(path):
            return door
    return None


def is_plain(path: str, raw_path: bytes) -> bool:
    """Whether a path means one thing only: no dots, no hidden slashes, nothing encoded twice.

    Args:
        raw_path: as it was sent, before it was decoded.
    """
    return bool(_PLAIN.fullmatch(path)) and not _ENCODED.search(raw_path)
