"""The picture decoder: a process with hard limits that answers one picture after another.

`python -m sparse_peft.data.opening.decoder LEAST_SIDE KEPT_SIDE` is started by `sandbox.Sandbox`,
never by a person. It opens no file: a picture arrives on standard input, and its PNG leaves on
standard output. A picture that takes a decoder over still runs as the person who started it, but
finds no secret in its environment, writes nothing into a file, and has neither memory nor time to
harm the machine.
"""

import json
import math
import resource
import struct
import sys
import warnings
from dataclasses import asdict
from typing import IO

from PIL import Image

from sparse_peft.data.findings import UnreadableError
from sparse_peft.data.opening.clean import SUBJECT, Sizes, decode

MEMORY_BYTES = 5 * 2**28  # address space; 40 megapixels of lossless WebP need 1.0 GB of these 1.3
CPU_SECONDS = 10  # a picture; the slowest allowed one takes 3
HEAD = struct.Struct(">II")  # bytes of the JSON, bytes of the PNG


def limits(platform: str) -> dict[int, int]:
    """What this process may use at most, by kind of limit."""
    most = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: 32}
    if platform != "darwin":  # macOS counts shared system libraries and refuses any useful bound
        most[resource.RLIMIT_AS] = MEMORY_BYTES
    return most


def allow_seconds(seconds: int) -> None:
    """From now on, this process may use so many more seconds of CPU before the system ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(until, hard), hard))


def _at_most(value: int, hard: int) -> int:
    """A limit that does not exceed the one this process was given, which may be none."""
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def answer(data: bytes, sizes: Sizes = SUBJECT) -> bytes:
    """The reply to one picture: HEAD, a JSON table, the PNG."""
    try:
        table = asdict(decode(data, sizes))
        table["thumbnail"] = table["thumbnail"].hex()
    except UnreadableError as error:
        table = {"unreadable": str(error), "png": b""}
    png: bytes = table.pop("png")
    text = json.dumps(table).encode()
    return b"".join((HEAD.pack(len(text), len(png)), text, png))


def serve(requests: IO[bytes], replies: IO[bytes], sizes: Sizes) -> None:
    """Answer pictures until there are no more: a request is HEAD of (bytes, 0), then the bytes."""
    replies.write(HEAD.pack(0, 0))  # ready
    replies.flush()
    while head := requests.read(HEAD.size):
        size, _ = HEAD.unpack(head)
        allow_seconds(CPU_SECONDS)
        replies.write(answer(requests.read(size), sizes))
        replies.flush()


def main() -> None:
    for limit, most in limits(sys.platform).items():
        allowed = _at_most(most, resource.getrlimit(limit)[1])
        resource.setrlimit(limit, (allowed, allowed))
    Image.MAX_IMAGE_PIXELS = None  # `clean` has its own bound, and names it
    warnings.simplefilter("ignore")  # about damaged metadata, which is thrown away
    serve(sys.stdin.buffer, sys.stdout.buffer, Sizes(*map(int, sys.argv[1:])))


if __name__ == "__main__":
    main()
