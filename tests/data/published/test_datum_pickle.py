"""A few-shot pickle of CoOp is read, and nothing in any pickle is ever run."""

import builtins
import copyreg
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.data.published import datum_pickle
from sparse_peft.data.published.datum_pickle import MOST_BYTES, PickleRefusedError, read_train

MODULE = "dassl.data.datasets.base_dataset"
DATUM = b"c" + MODULE.encode() + b"\nDatum\n"


class Datum:
    """As Dassl has it, but for the look at the disk."""

    def __init__(
        self, impath: str = "", label: int = 0, domain: int = 0, classname: str = ""
    ) -> None:
        self._impath = impath
        self._label: Any = label
        self._domain = domain
        self._classname = classname


@pytest.fixture
def dassl() -> Iterator[None]:
    parts = MODULE.split(".")
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    sys.modules.update({name: types.ModuleType(name) for name in names})
    vars(sys.modules[MODULE])["Datum"] = Datum
    before = Datum.__module__
    Datum.__module__ = MODULE
    yield
    Datum.__module__ = before
    for name in names:
        del sys.modules[name]


@pytest.mark.usefixtures("dassl")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_coop_writes_is_read(protocol: int) -> None:
    items = [
        Datum(f"/data/dtd/é/{n}.jpg", n, classname="a class") for n in range(1100)
    ]  # more than pickle writes at a time
    items.append(items[0])  # a class with too few pictures has one twice
    data = pickle.dumps({"train": items, "val": items[:4]}, protocol)
    assert read_train(data) == [(item._impath, item._label) for item in items]


@pytest.mark.usefixtures("dassl")
def test_no_dassl_is_imported() -> None:
    data = pickle.dumps({"train": [Datum("a.jpg", 3)]}, 4)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from sparse_peft.data.published.datum_pickle import read_train;"
            "print(read_train(sys.stdin.buffer.read()), 'dassl' in sys.modules, 'torch' in"
            " sys.modules)",
        ],
        input=data,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "[('a.jpg', 3)] False False"


class Calls:
    """Pickles as a call of `what`."""

    def __init__(self, what: Callable[..., Any], *arguments: Any) -> None:
        self.what = what
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.what, self.arguments


def harms(marker: Path) -> dict[str, tuple[Any, ...]]:
    """Calls that leave a file behind if they are run."""
    return {
        "os.system": (os.system, f"touch {marker}"),
        "eval": (builtins.eval, f"open({str(marker)!r}, 'w').close()"),
        "exec": (builtins.exec, f"open({str(marker)!r}, 'w').close()"),
        "open": (builtins.open, str(marker), "w"),
        "check_output": (subprocess.check_output, ["touch", str(marker)]),
        "mkdir": (os.mkdir, str(marker)),
    }


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", list(harms(Path())))
def test_a_call_is_refused_and_not_run(name: str, protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    what, *arguments = harms(marker)[name]
    data = pickle.dumps({"train": [Calls(what, *arguments)]}, protocol)
    with pytest.raises(PickleRefusedError):
        read_train(data)
    assert not marker.exists()
    pickle.loads(data)
    assert marker.exists(), "the payload is a dud, and the test above shows nothing"


def unicode(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


STATE = b"}" + unicode("_impath") + unicode("a.jpg") + b"s" + unicode("_label") + b"K\0s"
GOOD = b"\x80\x02}" + unicode("train") + b"](" + DATUM + b")\x81" + STATE + b"bes."


def train(item: bytes) -> bytes:
    """A pickle of one training picture that is made by these instructions."""
    return b"\x80\x02}" + unicode("train") + b"](" + item + b"es."


def test_the_plain_pickle_that_the_next_tests_twist_is_good() -> None:
    assert train(DATUM + b")\x81" + STATE + b"b") == GOOD
    assert read_train(GOOD) == [("a.jpg", 0)]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (DATUM + b")R" + STATE + b"b", "the pickle instruction REDUCE"),
        (DATUM + unicode("x") + b"\x85R" + STATE + b"b", "the pickle instruction TUPLE1"),
        (DATUM + b"}R", "the pickle instruction REDUCE"),
        (DATUM + b"}\x81" + STATE + b"b", "an object that is no Datum"),
        (DATUM + b"](K\1e\x81", "an object that is no Datum"),
        (DATUM + b")}\x92", "the pickle instruction NEWOBJ_EX"),
        (b"])\x81", "an object that is no Datum"),
        (b"(" + DATUM + b"o", "the pickle instruction OBJ"),
        (b"(i" + DATUM[1:], "the pickle instruction INST"),
        (DATUM + STATE + b"b", "the state of what is no Datum"),  # of the class itself
        (b"}" + STATE + b"b", "the state of what is no Datum"),
        (DATUM + b")\x81]b", "the state of what is no Datum"),
        (DATUM + b")\x81" + b"}" + STATE + b"\x86b", "the pickle instruction TUPLE2"),  # slots
        (DATUM + b")\x81", "a picture without a path or a label"),
        (DATUM + b")\x81}b", "a picture without a path or a label"),
        (DATUM, "no list of training pictures"),
        (b"K\1", "no list of training pictures"),
        (b"cbuiltins\neval\n", "'builtins.eval'"),
        (b"cos\nsystem\n", "'os.system'"),
        (b"c" + MODULE.encode() + b"\nos.system\n", f"'{MODULE}.os.system'"),
        (b"c" + MODULE.encode() + b"\nDatum.__init__\n", f"'{MODULE}.Datum.__init__'"),
        (b"ccopyreg\n_reconstructor\n", "'copyreg._reconstructor'"),
        (b"ccopy_reg\n__newobj__\n", "'copy_reg.__newobj__'"),
        (b"csparse_peft.data.published.datum_pickle\n_Datum\n", "_Datum'"),
        (unicode("os") + unicode("system") + b"\x93", "'os.system'"),
        (unicode("os") + b"]\x93", "'no name'"),
        (b"Pid\n", "the pickle instruction PERSID"),
        (b"K\1Q", "the pickle instruction BINPERSID"),
        (b"\x97", "the pickle instruction NEXT_BUFFER"),
        (b"K\1K\2a", "an item of what is no list"),
        (b"}K\1K\2s", "a table whose keys are no texts"),
        (b"}](e" + b"K\1s", "a table whose keys are no texts"),
        (b"}(K\1u", "a table whose keys are no texts"),
        (b"}(" + unicode("a") + b"u", "something damaged"),
        (b"h\7", "something damaged"),
        (b"0", "the pickle instruction POP"),
        (b"2", "the pickle instruction DUP"),
        (b"G" + b"\0" * 8, "the pickle instruction BINFLOAT"),
        (b"\xff", "something damaged"),
    ],
)
def test_twisted_pickles_are_refused(item: bytes, words: str) -> None:
    with pytest.raises(PickleRefusedError) as caught:
        read_train(train(item))
    assert words in str(caught.value)


def test_codes_of_the_copyreg_registry_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extension code names a class without its name, past any check of names."""
    marker = tmp_path / "marker"
    monkeypatch.setitem(copyreg._inverted_registry, 7, ("os", "mkdir"))  # type: ignore[attr-defined]
    data = b"\x80\x02\x82\x07(" + unicode(str(marker)) + b"tR."
    with pytest.raises(PickleRefusedError, match="EXT1"):
        read_train(data)
    assert not marker.exists()
    pickle.loads(data)
    assert marker.exists(), "the payload is a dud, and the test above shows nothing"
    copyreg._extension_cache.pop(7, None)  # type: ignore[attr-defined]


def test_registered_reducers_of_datum_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("was run")

    monkeypatch.setitem(copyreg.dispatch_table, Datum, fail)
    monkeypatch.setattr(pickle, "loads", fail)
    monkeypatch.setattr(pickle, "Unpickler", fail)
    monkeypatch.setattr(pickle, "_Unpickler", fail)
    monkeypatch.setattr(builtins, "eval", fail)
    assert read_train(GOOD) == [("a.jpg", 0)]


@pytest.mark.parametrize("label", [True, 1.5, "1", None, 10**30, b"1"])
@pytest.mark.usefixtures("dassl")
def test_a_label_is_a_number(label: Any) -> None:
    item = Datum("a.jpg")
    item._label = label
    data = pickle.dumps({"train": [item]}, 4)
    if label == 10**30:  # a number, which the split will not know
        assert read_train(data) == [("a.jpg", label)]
        return
    with pytest.raises(PickleRefusedError):
        read_train(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"not a pickle",
        b".",
        b"}",
        b"(.",
        b"(}.",
        b"}}.",
        b"\x80\x04\x95" + b"\xff" * 8 + b"}.",  # a frame of 2^64 bytes
        b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.",  # a text of 2^63 bytes
        b"\x80\x04\x8b\xff\xff\xff\x7f.",  # a number of 2^31 bytes
        b"]r\xff\xff\xff\x7f.",  # place 2^31 of the memo
        b"]" * 10_000 + b".",
        b"]" + b"]a" * 5_000 + b".",
        b"]" * 20_000 + b"a" * 19_999 + b".",  # lists in lists, 20 times as deep as Python counts
        b"}" + (unicode("a") + b"}") * 10_000 + b"s" * 10_000 + b".",
        b"(" * 10_000 + b".",
        b"]q\0h\0a.",  # a list in itself
        b"}q\0" + unicode("train") + b"h\0s.",
        b"F" + b"1" * 1_000_000 + b"\n.",
        b"I" + b"1" * 1_000_000 + b"\n.",
        b"L" + b"1" * 1_000_000 + b"L\n.",
        b"S'" + b"\\" * 1_000_000 + b"'\n.",
        GOOD[:-1],
        GOOD + b".",
        GOOD + GOOD,
        b"\0" * (MOST_BYTES + 1),
    ],
    ids=lambda data: f"{len(data)}-{data[:6]!r}",
)
def test_damaged_deep_and_huge_pickles_are_refused(data: bytes) -> None:
    with pytest.raises(PickleRefusedError):
        read_train(data)


def test_endless_instructions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datum_pickle, "MOST_INSTRUCTIONS", 40)
    assert read_train(GOOD) == [("a.jpg", 0)]
    with pytest.raises(PickleRefusedError, match="instructions"):
        read_train(train(b"]" + b"]a" * 20 + DATUM + b")\x81" + STATE + b"b"))


FLIPS = """
import sys
from sparse_peft.data.published.datum_pickle import PickleRefusedError, read_train
good, read = sys.stdin.buffer.read(), 0
for place in range(len(good)):
    for byte in range(256):
        try:
            read_train(good[:place] + bytes([byte]) + good[place + 1 :])
            read += 1
        except PickleRefusedError:
            continue
print(read)
"""


def test_no_flipped_byte_makes_it_do_anything_else() -> None:
    """Each byte of a good pickle is replaced by each other: read, or refused, and never a crash.

    In a process of its own: here, types are checked at every call, which takes 30 times as long.
    """
    done = subprocess.run(
        [sys.executable, "-c", FLIPS], input=GOOD, capture_output=True, check=True
    )
    assert len(GOOD) <= int(done.stdout) < len(GOOD) * 256


def test_no_instruction_that_is_followed_can_call() -> None:
    known = {opcode.name for opcode in pickletools.opcodes}
    calling = {"REDUCE", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
    assert set(datum_pickle._STEPS) <= known - calling
