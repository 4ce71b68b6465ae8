"""Files that are whole or absent: atomic writes, folders with a sha256 manifest, locks."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from sparse_peft.errors import RunError

MANIFEST = "manifest.json"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_CHUNK = 1 << 20
_PATIENCE_SECONDS = 0.05  # a look at a lock holds it for microseconds


class DiskError(RunError):
    """The disk is full or failing; what was there before is still there."""


class Disk:
    """The calls by which a byte becomes safe: the one place where a test makes a disk fail."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, 0o666)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)


disk = Disk()


def write_bytes(path: Path, data: bytes) -> None:
    """The file holds `data`, or what it held before; never a part.

    Raises:
        DiskError: no room, or the disk fails.
    """
    temp = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    with disk_words(path):
        try:
            _write_and_sync(temp, data)
            disk.replace(temp, path)
        except BaseException:
            temp.unlink(missing_ok=True)
            raise
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """The file holds `text` in UTF-8, or what it held before."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """The file holds `value` as JSON, or what it held before. NaN is a ValueError."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_folder(final: Path, fill: Callable[[Path], None]) -> None:
    """The folder holds what `fill` wrote, with a manifest, or what it held before; never a part.

    One process at a time may write a folder.

    Args:
        fill: writes files into the empty folder that it is given.

    Raises:
        DiskError: no room, or the disk fails.
    """
    temp, old = _temp(final), _old(final)
    with disk_words(final):
        _recover(final)
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir(parents=True)
        try:
            fill(temp)
            seal(temp)
            if final.exists():
                disk.replace(final, old)
            disk.replace(temp, final)
        except BaseException:
            _recover(final)
            shutil.rmtree(temp, ignore_errors=True)
            raise
        _sync(final.parent)
        shutil.rmtree(old, ignore_errors=True)


def seal(folder: Path, leave_out: Collection[str] = ()) -> None:
    """Sync every file below `folder`, and write its manifest last.

    A name that begins with a dot is nobody's result and is left out.

    Args:
        leave_out: names directly in `folder` that the manifest does not list.
    """
    with disk_words(folder):
        listed = {}
        for path in sorted(folder.rglob("*"), reverse=True):  # files before their folder
            name = path.relative_to(folder)
            if name.parts[0] in (MANIFEST, *leave_out) or any(p[0] == "." for p in name.parts):
                continue
            _sync(path)
            if path.is_file():
                listed[name.as_posix()] = {"sha256": sha256(path), "bytes": path.stat().st_size}
        write_json(folder / MANIFEST, dict(sorted(listed.items())))


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest of a folder, or a RunError that says why there is none."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{folder} is incomplete: it has no {MANIFEST}.") from error
    except ValueError as error:
        raise RunError(f"{folder / MANIFEST} is damaged.") from error
    if not isinstance(listed, dict) or not all(_is_entry(entry) for entry in listed.values()):
        raise RunError(f"{folder / MANIFEST} is damaged.")
    return listed


def verify_folder(path: Path) -> None:
    """Return if every file in the manifest is there and unchanged.

    Raises:
        RunError: names the first file that is absent or whose sha256 differs.
    """
    for name, entry in read_manifest(path).items():
        file = path / name
        if Path(name).is_absolute() or ".." in Path(name).parts or not file.is_file():
            raise RunError(f"{path} is damaged: {name} is missing.")
        if file.stat().st_size != entry["bytes"] or sha256(file) != entry["sha256"]:
            raise RunError(f"{path} is damaged: {name} is not what was written (sha256 differs).")


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def disk_words(path: Path) -> Iterator[None]:
    """Inside it, a full or failing disk is a DiskError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskError(
            f"{path} could not be written: {os.strerror(error.errno)}. What was there before is "
            "unchanged. Free some space and resume."
        ) from error


class Lock:
    """An exclusive lock on a file, held until released or until every holder has died.

    The kernel lets go of it on any death, so it tells who lives, without a pid or a clock.
    The lock belongs to the open file: a child that is given `fd` holds it too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd: int | None = None

    @classmethod
    def inherited(cls, path: Path, fd: int) -> "Lock":
        """The lock that a parent took and handed over as an open file."""
        os.set_inheritable(fd, False)  # a program that we start must not keep it
        lock = cls(path)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.fd = fd
        return lock

    def acquire(self, blocking: bool = False) -> bool:
        """Whether it is ours. Without `blocking`, False when someone else holds it."""
        if self.fd is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if blocking:
            fcntl.flock(fd, fcntl.LOCK_EX)
        elif not _flock(fd, fcntl.LOCK_EX, _PATIENCE_SECONDS):
            os.close(fd)
            return False
        self.fd = fd
        return True

    def release(self) -> None:
        """Close our hold of it; another process that was given `fd` keeps its own."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def __enter__(self) -> "Lock":
        self.acquire(blocking=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @staticmethod
    def held_elsewhere(path: Path) -> bool:
        """Whether any process holds the lock at this moment."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _flock(fd, fcntl.LOCK_SH, patience_seconds=0.0)
        finally:
            os.close(fd)


def _flock(fd: int, how: int, patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        else:
            return True


def _write_and_sync(path: Path, data: bytes) -> None:
    fd = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[disk.write(fd, rest) :]
        disk.fsync(fd)
    finally:
        os.close(fd)


def _sync(path: Path) -> None:
    """Make a file's content, or a folder's list of names, survive a loss of power."""
    fd = disk.open(path, os.O_RDONLY)
    try:
        disk.fsync(fd)
    finally:
        os.close(fd)


def _temp(final: Path) -> Path:
    return final.with_name(f".{final.name}.tmp")


def _old(final: Path) -> Path:
    return final.with_name(f".{final.name}.old")


def _recover(final: Path) -> None:
    """Undo a replacement that was killed between its two renames."""
    old = _old(final)
    if old.exists() and not final.exists():
        os.replace(old, final)
    shutil.rmtree(old, ignore_errors=True)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("bytes"), int)
    )
