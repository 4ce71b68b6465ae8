"""The decoder's process: what it may do, what it says."""

import json
import resource
import subprocess
import sys
from pathlib import Path

from sparse_peft.data.opening import decoder
from sparse_peft.data.opening.decoder import HEAD
from sparse_peft.data.opening.sandbox import DECODER, PACKAGE_HOME
from tests.data import hostile

MEASURE = """
import resource, sys
sys.path[:0] = [{package!r}, {tests!r}]
from tests.data import hostile
from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.sandbox import Sandbox
with Sandbox() as sandbox:
    for make, _ in hostile.REFUSED.values():
        try:
            sandbox.decode(make())
        except UnreadableError:
            pass
    sandbox.decode(hostile.data_bomb_png())
    sandbox.decode(hostile.encoded(hostile.quarters(4032, 3024), "JPEG"))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak // 1024 if sys.platform == "darwin" else peak)
"""


def reply(data: bytes) -> tuple[dict[str, object], bytes]:
    answer = decoder.answer(data)
    text_bytes, png_bytes = HEAD.unpack(answer[: HEAD.size])
    text, png = answer[HEAD.size :][:text_bytes], answer[HEAD.size + text_bytes :]
    assert len(png) == png_bytes
    return json.loads(text), png


def test_an_answer_is_a_table_and_a_png() -> None:
    table, png = reply(hostile.jpeg())
    assert (table["width"], table["height"]) == (128, 96)
    assert png.startswith(b"\x89PNG")


def test_a_refusal_is_a_sentence() -> None:
    assert reply(b"") == (
        {"unreadable": "it is an empty file; use JPEG, PNG, WebP, BMP, GIF or HEIC"},
        b"",
    )


def test_it_serves_until_there_are_no_more_pictures() -> None:
    pictures = [hostile.jpeg(), b"", hostile.jpeg()]
    requests = b"".join(HEAD.pack(len(data), 0) + data for data in pictures)
    done = subprocess.run(
        DECODER,
        input=requests,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(PACKAGE_HOME)},
    )
    answers = [decoder.answer(data) for data in pictures]
    assert done.stdout == HEAD.pack(0, 0) + b"".join(answers)
    assert done.stderr == b""


def test_every_limit_holds_on_linux_and_all_but_memory_on_macos() -> None:
    linux, macos = decoder.limits("linux"), decoder.limits("darwin")
    assert linux[resource.RLIMIT_FSIZE] == 0
    assert linux.keys() - macos.keys() == {resource.RLIMIT_AS}


def test_hostile_pictures_and_a_phone_s_twelve_megapixels_stay_under_200_mb() -> None:
    script = MEASURE.format(package=str(PACKAGE_HOME), tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(done.stdout) < 200 * 1024
