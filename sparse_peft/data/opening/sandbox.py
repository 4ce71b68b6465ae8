"""The parent's side of the picture decoder: one limited child, replaced when a picture ends it."""

import contextlib
import json
import math
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.clean import LARGEST_SIDE, SUBJECT, THUMBNAIL_SIDE, Decoded, Sizes
from sparse_peft.data.opening.decoder import CPU_SECONDS, HEAD

WALL_SECONDS = 40.0  # a picture: its CPU_SECONDS on a machine that is busy with training
LARGEST_TEXT = 10_000
LARGEST_PNG = 4 * LARGEST_SIDE**2  # bytes; noise of that size needs three quarters of it
LONGEST_REASON = 200
PACKAGE_HOME = Path(__file__).parents[3]
DECODER = (sys.executable, "-P", "-m", "sparse_peft.data.opening.decoder")
TOO_SLOW = f"it takes longer than {CPU_SECONDS} s to decode; save it again as JPEG"
FAILS = "it makes the decoder fail; save it again as JPEG"

Child = subprocess.Popen[bytes]


class Sandbox:
    """Decodes pictures in a child process with hard limits.

    A picture that ends the child is refused, and the next one gets a new child. What the child says
    is not trusted either: sizes and types are checked, words are cut.

        with Sandbox() as sandbox:
            decoded = sandbox.decode(data)
    """

    def __init__(
        self,
        command: Sequence[str] = DECODER,
        wall_seconds: float = WALL_SECONDS,
        sizes: Sizes = SUBJECT,
    ) -> None:
        self._command = (*command, str(sizes.least_side), str(sizes.kept_side))
        self._wall_seconds = wall_seconds
        self._child: Child | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child is not None:
            self._child.kill()
            self._end()

    def decode(self, data: bytes) -> Decoded:
        """The clean picture; UnreadableError for one that is refused or that ended the child."""
        child = self._child or self._start()
        late = threading.Event()

        def expire() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(self._wall_seconds, expire)
        timer.start()
        try:
            return _checked(*_exchange(child, data))
        except (OSError, EOFError) as error:  # the child ended
            status = self._end()
            if late.is_set() or status == -signal.SIGXCPU:
                raise UnreadableError(TOO_SLOW) from error
            raise UnreadableError(FAILS) from error
        except (ValueError, RecursionError) as error:  # what it says makes no sense: not ours now
            child.kill()
            self._end()
            raise UnreadableError(FAILS) from error
        finally:
            timer.cancel()

    def _start(self) -> Child:
        """A child that said it is ready.

        It gets no secrets from our environment, no folder to import from and no terminal.
        """
        child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(PACKAGE_HOME), "OPENBLAS_NUM_THREADS": "1", "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
        self._child = child
        assert child.stdout is not None
        if child.stdout.read(HEAD.size) != HEAD.pack(0, 0):
            status = self._end()
            raise RuntimeError(f"the picture decoder did not start (exit status {status})")
        return child

    def _end(self) -> int:
        """Wait for a child that is ending; its exit status, negative for a signal."""
        child, self._child = self._child, None
        assert child is not None
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # what was not written yet is for nobody
            child.stdin.close()
        child.stdout.close()
        return child.wait()


def _exchange(child: Child, data: bytes) -> tuple[bytes, bytes]:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(HEAD.pack(len(data), 0) + data)
    child.stdin.flush()
    text_bytes, png_bytes = HEAD.unpack(_all(child.stdout, HEAD.size))
    if text_bytes > LARGEST_TEXT or png_bytes > LARGEST_PNG:
        raise ValueError("a reply that is too large")
    return _all(child.stdout, text_bytes), _all(child.stdout, png_bytes)


def _all(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError("the decoder ended")
    return data


def _checked(text: bytes, png: bytes) -> Decoded:
    """What the child said, if it makes sense; ValueError if not."""
    table = json.loads(text)
    if not isinstance(table, dict):
        raise ValueError("a reply that is no table")
    if "unreadable" in table:
        raise UnreadableError(str(table["unreadable"])[:LONGEST_REASON])
    try:
        decoded = Decoded(
            png=png,
            width=int(table["width"]),
            height=int(table["height"]),
            animated=bool(table["animated"]),
            sharpness=float(table["sharpness"]),
            difference_hash=int(table["difference_hash"]),
            thumbnail=bytes.fromhex(table["thumbnail"]),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError("a reply with something missing") from error
    size = struct.unpack(">II", png[16:24].ljust(8, b"\0"))
    if not png.startswith(b"\x89PNG") or size != (decoded.width, decoded.height):
        raise ValueError("a reply without its picture")
    if not 0 < min(size) <= max(size) <= LARGEST_SIDE:
        raise ValueError("a picture that is not brought down")
    if len(decoded.thumbnail) != THUMBNAIL_SIDE**2:
        raise ValueError("a reply without its thumbnail")
    if not 0 <= decoded.difference_hash < 1 << 64 or not math.isfinite(decoded.sharpness):
        raise ValueError("a reply of numbers that cannot be")
    return decoded
