"""Events: complete lines, one writer, readers that survive anything in the file (F21)."""

import errno
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from sparse_peft import files
from sparse_peft.files import Disk, DiskError
from sparse_peft.runs.events import MAX_LINE_BYTES, EventLog, newest, read_events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_events_come_back_in_order_with_their_attempt(path: Path) -> None:
    log = EventLog(path, attempt=1)
    log.emit("started", device="cpu-0")
    log.emit("note", text="é \n line")
    events, _ = read_events(path)
    assert events == [
        {"seq": 1, "attempt": 1, "kind": "started", "device": "cpu-0"},
        {"seq": 2, "attempt": 1, "kind": "note", "text": "é \n line"},
    ]
    assert EventLog(path, attempt=2).emit("started")["seq"] == 3


def test_a_reader_goes_on_from_its_offset(path: Path) -> None:
    assert read_events(path) == ([], 0)
    log = EventLog(path, 1)
    log.emit("step", step=1)
    events, offset = read_events(path)
    assert [event["step"] for event in events] == [1]
    assert read_events(path, offset) == ([], offset)
    log.emit("step", step=2)
    events, offset = read_events(path, offset)
    assert [event["step"] for event in events] == [2]
    assert offset == path.stat().st_size


def test_f21_a_torn_last_line_is_not_read_and_is_cut_on_resume(path: Path) -> None:
    EventLog(path, 1).emit("step", step=1)
    whole = path.read_bytes()
    for torn in (b"{", b'{"seq": 2, "attempt": 1, "kind": "step"}', b"\xff\x00"):
        path.write_bytes(whole + torn)
        events, offset = read_events(path)
        assert (len(events), offset) == (1, len(whole))
        EventLog(path, 2).emit("started")
        events, _ = read_events(path)
        assert [event["seq"] for event in events] == [1, 2]


def test_f21_a_file_of_nothing_but_a_torn_line_is_emptied(path: Path) -> None:
    path.write_bytes(b"x" * (3 * MAX_LINE_BYTES))
    assert EventLog(path, 1).emit("started")["seq"] == 1
    assert len(read_events(path)[0]) == 1


def test_f21_rubbish_is_passed_over(path: Path) -> None:
    EventLog(path, 1).emit("step", step=1)
    with path.open("ab") as file:
        file.write(b'not json\n[1]\n{}\n{"seq": "1"}\n\n\xff\xfe\n' + b"[" * 5000 + b"\n")
    EventLog(path, 1).emit("step", step=2)
    assert [event["step"] for event in read_events(path)[0]] == [1, 2]


def test_f21_a_line_of_ten_megabytes_needs_little_memory(path: Path) -> None:
    EventLog(path, 1).emit("step", step=1)
    size = path.stat().st_size
    huge = json.dumps({"seq": 9, "attempt": 1, "kind": "note", "text": "x" * 10_000_000})
    with path.open("a") as file:
        file.write(huge)
    tracemalloc.start()
    assert read_events(path)[1] == size, "incomplete: it may yet become a line"
    with path.open("a") as file:
        file.write("\n")
    assert [event["step"] for event in read_events(path)[0]] == [1]
    EventLog(path, 1).emit("step", step=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MAX_LINE_BYTES
    assert [event["step"] for event in read_events(path)[0]] == [1, 2]


def test_f21_duplicate_lines_change_nothing(path: Path) -> None:
    log = EventLog(path, 1)
    for step in (1, 2, 3):
        log.emit("step", step=step)
    once = newest(read_events(path)[0])
    path.write_bytes(path.read_bytes() * 2)
    assert newest(read_events(path)[0]) == once


def test_readers_keep_the_newest_attempt_of_each_step(path: Path) -> None:
    first = EventLog(path, 1)
    for step in (1, 2, 3):
        first.emit("step", step=step, loss=1.0)
    first.emit("sample", step=2, prompt=0, seed=1, path="a")
    second = EventLog(path, 2)
    second.emit("started")
    second.emit("step", step=3, loss=2.0)
    second.emit("sample", step=2, prompt=0, seed=1, path="a")
    kept = newest(read_events(path)[0])
    steps = [(e["step"], e["attempt"]) for e in kept if e["kind"] == "step"]
    assert steps == [(1, 1), (2, 1), (3, 2)]
    assert [e["attempt"] for e in kept if e["kind"] == "sample"] == [2]
    assert [e["kind"] for e in kept].count("started") == 1


def test_what_is_no_event_is_refused(path: Path) -> None:
    log = EventLog(path, 1)
    with pytest.raises(ValueError, match="JSON compliant"):
        log.emit("step", loss=float("nan"))
    with pytest.raises(ValueError, match="too long"):
        log.emit("note", text="x" * MAX_LINE_BYTES)
    with pytest.raises(ValueError, match="sets its own seq"):
        log.emit("note", seq=3)
    assert read_events(path) == ([], 0)


class _HalfFull(Disk):
    """Takes half of a write, then has no more room."""

    full = False

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.full = True
        return super().write(fd, data[: len(data) // 2])


def test_f9_an_event_that_finds_no_room_leaves_no_part(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(path, 1)
    log.emit("step", step=1)
    before = path.read_bytes()
    monkeypatch.setattr(files, "disk", _HalfFull())
    with pytest.raises(DiskError, match="No space left"):
        log.emit("step", step=2)
    assert path.read_bytes() == before
    monkeypatch.setattr(files, "disk", Disk())
    assert log.emit("step", step=2)["seq"] == 2
