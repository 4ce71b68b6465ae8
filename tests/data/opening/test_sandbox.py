"""The parent's side: a child that dies, hangs, cheats or is exhausted costs one picture."""

import json
import sys
import time
from pathlib import Path

import pytest

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.sandbox import Sandbox
from tests.data import hostile

ROGUE = """
import os, resource, signal, sys, time
from sparse_peft.data.opening import decoder
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


# A child that reads what it is sent, and answers what its argument says.
ANSWERING = """
import sys
reply = bytes.fromhex(sys.argv[1])
sys.stdout.buffer.write(bytes(8))
sys.stdout.buffer.flush()
sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(8)[:4], "big"))
sys.stdout.buffer.write(reply)
sys.stdout.buffer.flush()
sys.stdin.buffer.read(1)
"""


def saying(reply: bytes) -> Sandbox:
    return Sandbox([sys.executable, "-S", "-c", ANSWERING, reply.hex()])


NONSENSE = [
    b"\xff" * 8,  # sizes without bound
    b"\0\0\0\2\0\0\0\0[]",
    b"\0\0\0\x02\0\0\0\0{}",
    b"\0\0\x20\0\0\0\0\0" + b"[" * 0x2000,
    b"\0\0\0\4\0\0\0\0null",
    b"\0\0\0\1\0\0\0\0?",
]


@pytest.mark.parametrize("reply", NONSENSE)
def test_a_child_that_says_nonsense_is_refused(reply: bytes) -> None:
    with saying(reply) as sandbox:
        assert "makes the decoder fail" in refusal(sandbox, b"picture")


def test_a_child_that_says_nonsense_is_ended() -> None:
    with rogue() as sandbox:
        assert "makes the decoder fail" in refusal(sandbox, b"say " + NONSENSE[0])
        assert sandbox.decode(hostile.jpeg()).width == 128


def answering(png: bytes, **changes: object) -> Sandbox:
    """A child that answers with this picture, and with numbers that fit it but for the changes."""
    table = {"width": 128, "height": 96, "animated": False, "sharpness": 1.0}
    table |= {"difference_hash": 1, "thumbnail": "00" * 1024} | changes
    text = json.dumps(table).encode()
    return saying(len(text).to_bytes(4, "big") + len(png).to_bytes(4, "big") + text + png)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 9}, {"thumbnail": "00" * 1023}, {"width": float("inf")}, {"height": -96},
        {"difference_hash": 1 << 64}, {"difference_hash": -1}, {"sharpness": float("nan")},
        {"width": None}, {"thumbnail": "no digits"},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_do_not_fit_the_picture_are_refused(changes: dict[str, object]) -> None:
    png = hostile.encoded(hostile.quarters(), "PNG")
    with answering(png) as sandbox:
        assert sandbox.decode(b"picture").png == png
    with answering(png, **changes) as sandbox:
        assert "makes the decoder fail" in refusal(sandbox, b"picture")


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (2049, 2048), (0, 64)])
def test_a_picture_that_was_not_brought_down_is_refused(width: int, height: int) -> None:
    png = bytearray(hostile.encoded(hostile.quarters(), "PNG"))
    png[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    with answering(bytes(png), width=width, height=height) as sandbox:
        assert "makes the decoder fail" in refusal(sandbox, b"picture")


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
