"""The events of a run: an append-only file of complete lines, one writer, any number of readers."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sparse_peft import files

Event = dict[str, Any]

ENDS = ("finished", "failed", "cancelled")
MAX_LINE_BYTES = 1 << 20  # a longer line is not ours: readers pass over it in this much memory
_DURABLE = (*ENDS, "checkpoint")
_RESERVED = ("seq", "attempt")


class EventLog:
    """The one writer of a run's events; whoever opens it holds the run's lock."""

    def __init__(self, path: Path, attempt: int) -> None:
        self.path, self.attempt = path, attempt
        _cut_torn_tail(path)
        self._seq = max((event.get("seq", 0) for event, _ in _decoded(path, 0)), default=0)

    def emit(self, kind: str, **fields: Any) -> Event:
        """Append one complete line and return the event.

        Raises:
            DiskError: no room; the line is not there, not even a part of it.
            ValueError: a value that JSON cannot hold, NaN included.
        """
        if taken := [name for name in _RESERVED if name in fields]:
            raise ValueError(f"an event sets its own {taken[0]}")
        event = {"seq": self._seq + 1, "attempt": self.attempt, "kind": kind, **fields}
        line = json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"an event of {len(line)} bytes is too long: write a file instead")
        self._append(line, durable=kind in _DURABLE)
        self._seq += 1
        return event

    def _append(self, line: bytes, durable: bool) -> None:
        with files.disk_words(self.path):
            fd = files.disk.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            before = os.fstat(fd).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[files.disk.write(fd, rest) :]
                if durable:
                    files.disk.fsync(fd)
            except OSError:
                os.ftruncate(fd, before)
                raise
            finally:
                os.close(fd)


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """The complete events that begin at `offset` or later, and the offset to read on from.

    A line that is not an event, or is too long to be one, is passed over. An incomplete last line
    is left for the next call.
    """
    found = list(_decoded(path, offset))
    return [event for event, _ in found if event], found[-1][1] if found else offset


def newest(events: Iterable[Event]) -> list[Event]:
    """The events in order, each once; of a repeated step or sample only the newest attempt's."""
    kept: dict[tuple[Any, ...], Event] = {}
    seen: set[int] = set()
    for event in sorted(events, key=lambda event: event["seq"]):
        if event["seq"] in seen:
            continue
        seen.add(event["seq"])
        key = _subject(event)
        if key not in kept or kept[key]["attempt"] <= event["attempt"]:
            kept[key] = event
    return sorted(kept.values(), key=lambda event: event["seq"])


def _subject(event: Event) -> tuple[Any, ...]:
    """What an event tells about: two attempts may tell about the same step."""
    if event["kind"] == "step":
        return ("step", event.get("step"))
    if event["kind"] == "sample":
        return ("sample", *(event.get(key) for key in ("step", "prompt", "seed", "path")))
    return ("seq", event["seq"])


def _decoded(path: Path, offset: int) -> Iterator[tuple[Event, int]]:
    """Events with the offset behind each; {} for a line that is none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line, after in _lines(file):
            yield _event(line), after


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Complete lines with the offset behind each; b"" stands for one that is too long."""
    while line := file.readline(MAX_LINE_BYTES):
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
            if line.endswith(b"\n"):
                line = b"\n"  # the end of a long line is no event
        if not line:
            return  # torn: the writer is in the middle of it, or was
        yield line, file.tell()


def _event(line: bytes) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    wanted = {"seq": int, "attempt": int, "kind": str}
    if not isinstance(event, dict):
        return {}
    return event if all(type(event.get(key)) is kind for key, kind in wanted.items()) else {}


def _cut_torn_tail(path: Path) -> None:
    """Remove what a killed writer left of a last line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = position = file.seek(0, os.SEEK_END)
        keep = 0
        while position > 0:
            start = max(0, position - MAX_LINE_BYTES)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            position = start
        if keep < end:
            file.truncate(keep)
            files.disk.fsync(file.fileno())
