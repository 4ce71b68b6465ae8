"""The parent's side: a child that dies, hangs, cheats or is exhausted costs one picture."""

import json
import sys
import time
from pathlib import Path

import hostile
import pytest

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.sandbox import Sandbox

ROGUE = """
import os, resource, signal, sys, time
from sparse_peft.data import decoder
real = decoder.decode
decoder.CPU_SECONDS = 1
def attempt(action):
    try:
        return action()
    except (OSError, MemoryError) as error:
        raise decoder.UnreadableError(type(error).__name__)
def rogue(data, sizes):
    if data == b"crash": os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"spin":
        while True: pass
    if data == b"sleep": time.sleep(60)
    if data == b"memory": attempt(lambda: bytes(2**31))
    if data == b"file": attempt(lambda: os.write(os.open({path!r}, os.O_CREAT | os.O_WRONLY), b"x"))
    if data == b"environment": raise decoder.UnreadableError(" ".join(sorted(os.environ)))
    if data == b"words": raise decoder.UnreadableError("x" * 5000)
    if data.startswith(b"say "): say(data[4:])
    return real(data, sizes)
def say(reply):
    sys.stdout.buffer.write(reply)
    sys.stdout.buffer.flush()
    time.sleep(60)
decoder.decode = rogue
decoder.main()
"""


def rogue(path: object = "/nowhere", wall_seconds: float = 20.0) -> Sandbox:
    return Sandbox([sys.executable, "-c", ROGUE.format(path=str(path))], wall_seconds)


def refusal(sandbox: Sandbox, data: bytes) -> str:
    with pytest.raises(UnreadableError) as caught:
        sandbox.decode(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"crash", "makes the decoder fail"), (b"spin", "takes longer than 10 s")],
)
def test_a_picture_that_ends_the_child_is_refused_and_the_next_is_decoded(
    data: bytes, words: str
) -> None:
    started = time.monotonic()
    with rogue(wall_seconds=60.0) as sandbox:
        assert words in refusal(sandbox, data)
        assert time.monotonic() - started < 30
        assert sandbox.decode(hostile.jpeg()).width == 128


def test_a_child_that_hangs_is_ended() -> None:
    started = time.monotonic()
    with rogue(wall_seconds=0.3) as sandbox:
        assert "takes longer" in refusal(sandbox, b"sleep")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "reply",
    [
        b"\xff" * 8,  # sizes without bound
        b"\0\0\0\2\0\0\0\0[]",
        b"\0\0\0\x02\0\0\0\0{}",
        b"\0\0\x20\0\0\0\0\0" + b"[" * 0x2000,
        b"\0\0\0\4\0\0\0\0null",
        b"\0\0\0\1\0\0\0\0?",
    ],
)
def test_a_child_that_says_nonsense_is_ended(reply: bytes) -> None:
    with rogue() as sandbox:
        assert "makes the decoder fail" in refusal(sandbox, b"say " + reply)
        assert sandbox.decode(hostile.jpeg()).width == 128


@pytest.mark.parametrize(("side", "thumbnail"), [(9, 1024), (128, 1023)])
def test_a_reply_whose_picture_has_another_size_is_refused(side: int, thumbnail: int) -> None:
    table = {"width": side, "height": 96, "animated": False, "sharpness": 1.0}
    table |= {"difference_hash": 1, "thumbnail": "00" * thumbnail}
    text = json.dumps(table).encode()
    png = hostile.encoded(hostile.quarters(), "PNG")
    head = len(text).to_bytes(4, "big") + len(png).to_bytes(4, "big")
    with rogue() as sandbox:
        assert "makes the decoder fail" in refusal(sandbox, b"say " + head + text + png)


def test_words_of_the_child_are_cut() -> None:
    with rogue() as sandbox:
        assert len(refusal(sandbox, b"words")) == 200


def test_the_child_cannot_write_into_a_file(tmp_path: Path) -> None:
    with rogue(tmp_path / "file") as sandbox:
        assert refusal(sandbox, b"file") == "OSError"
    assert (tmp_path / "file").stat().st_size == 0


def test_the_child_cannot_take_all_memory_but_on_macos() -> None:
    words = {"linux": "MemoryError", "darwin": "it is text"}
    with rogue() as sandbox:
        assert refusal(sandbox, b"memory").startswith(words[sys.platform])


def test_the_child_sees_none_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with rogue() as sandbox:
        assert "HF_TOKEN" not in refusal(sandbox, b"environment")


def test_a_decoder_that_cannot_start_is_not_the_picture_s_fault() -> None:
    with (
        Sandbox([sys.executable, "-c", "raise SystemExit(3)"]) as sandbox,
        pytest.raises(RuntimeError, match="exit status 3"),
    ):
        sandbox.decode(hostile.jpeg())
