"""CoOp's few-shot files: pickles of Dassl's Datum, read without unpickling.

A pickle is a program. `pickle` would run it; here its instructions are looked at one by one, and
only those that build lists, dictionaries, short texts, numbers and Datum are followed. A Datum
becomes an object of ours that holds a path and a label: Dassl is neither needed nor imported, and
no instruction that calls something is followed.
"""

import pickletools
from collections.abc import Callable
from io import BytesIO
from typing import Any

from sparse_peft.data.findings import shown

MOST_BYTES = 2**24  # ImageNet at 16 shots has 2 MB
MOST_INSTRUCTIONS = 10**6  # and 300,000 of them
DATUM = ("dassl.data.datasets.base_dataset", "Datum")


class PickleRefusedError(ValueError):
    """The pickle holds what no few-shot file of CoOp does; the message says what, as a noun."""


def read_train(data: bytes) -> list[tuple[str, int]]:
    """Path and label of each training picture, in the order of the file.

    Args:
        data: `{"train": [Datum, ...], ...}` as CoOp writes it, pickle protocol 2 to 5.

    Raises:
        PickleRefusedError: it is anything else.

    Source: KaiyangZhou/CoOp@ff61507 datasets/oxford_pets.py:36-51;
        KaiyangZhou/Dassl.pytorch dassl/data/datasets/base_dataset.py:12-49 at 27eb2f4.
    """
    if len(data) > MOST_BYTES:
        raise PickleRefusedError(f"more than {MOST_BYTES >> 20} MB")
    try:
        content = _Machine().content(data)
    except PickleRefusedError:
        raise
    except (ValueError, IndexError, KeyError) as error:  # cut off, or made by no pickler
        raise PickleRefusedError("something damaged") from error
    items = content.get("train") if isinstance(content, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, _Datum) for item in items):
        raise PickleRefusedError("no list of training pictures")
    return [item.told() for item in items]


class _Datum:
    """What is kept of a Datum."""

    __slots__ = ("impath", "label")

    def __init__(self) -> None:
        self.impath: Any = None
        self.label: Any = None

    def told(self) -> tuple[str, int]:
        if type(self.impath) is not str or type(self.label) is not int:
            raise PickleRefusedError("a picture without a path or a label")
        return self.impath, self.label


_DATUM = object()  # stands on the stack for the class itself


class _Machine:
    """The stack and the memo of a pickle, and the few instructions that are followed."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def content(self, data: bytes) -> Any:
        """What the pickle builds."""
        file = BytesIO(data)
        for _ in range(MOST_INSTRUCTIONS):
            name, argument_of = _INSTRUCTIONS[file.read(1)]
            step = _STEPS.get(name)
            if step is None:
                raise PickleRefusedError(f"the pickle instruction {name}")
            step(self, argument_of(file) if argument_of else None)
            if name == "STOP":
                break
        else:
            raise PickleRefusedError(f"more than {MOST_INSTRUCTIONS:,} instructions")
        if file.tell() != len(data) or len(self.stack) != 1 or self.below:
            raise PickleRefusedError("something left over")
        return self.stack.pop()

    def skip(self, _: Any) -> None:
        pass

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def append(self, _: Any) -> None:
        self.extend([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self.extend(self.since_mark())

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise PickleRefusedError("an item of what is no list")
        target.extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def set_items(self, _: Any) -> None:
        self.update(self.since_mark())

    def update(self, pairs: list[Any]) -> None:
        target, keys = self.stack[-1], pairs[::2]
        if type(target) is not dict or not all(type(key) is str for key in keys):
            raise PickleRefusedError("a table whose keys are no texts")
        target.update(zip(keys, pairs[1::2], strict=True))

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def named(self, names: tuple[str, str]) -> None:
        self.named_class(*names)

    def named_on_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.named_class(module, name)

    def named_class(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str or (module, name) != DATUM:
            words = f"{module}.{name}" if type(module) is type(name) is str else "no name"
            raise PickleRefusedError(repr(shown(words)))
        self.stack.append(_DATUM)

    def new(self, _: Any) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        if kind is not _DATUM or type(arguments) is not tuple:
            raise PickleRefusedError("an object that is no Datum")
        self.stack.append(_Datum())

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is not _Datum or type(state) is not dict:
            raise PickleRefusedError("the state of what is no Datum")
        target.impath, target.label = state.get("_impath"), state.get("_label")


def _two_lines(file: BytesIO) -> tuple[str, str]:
    """The argument of GLOBAL; pickletools would look for escapes in it, which pickle does not."""
    module, name = file.readline().decode(), file.readline().decode()
    return module.removesuffix("\n"), name.removesuffix("\n")


_INSTRUCTIONS: dict[bytes, tuple[str, Callable[[BytesIO], Any] | None]] = {
    opcode.code.encode("latin-1"): (opcode.name, opcode.arg.reader if opcode.arg else None)
    for opcode in pickletools.opcodes
}
_INSTRUCTIONS[b"c"] = ("GLOBAL", _two_lines)

_Step = Callable[[_Machine, Any], None]
_STEPS: dict[str, _Step] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _Machine.skip),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), _Machine.push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "MARK": _Machine.mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": _Machine.named,
    "STACK_GLOBAL": _Machine.named_on_stack,
    "NEWOBJ": _Machine.new,
    "BUILD": _Machine.build,
}
