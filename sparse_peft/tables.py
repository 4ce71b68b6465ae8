"""Tables (TOML, JSON) to frozen dataclasses and back, strictly: nothing is guessed or dropped."""

import dataclasses
import difflib
import json
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from sparse_peft.errors import SpecError

T = TypeVar("T")

_SCALARS = (int, float, str, bool)
_SPELLINGS: dict[type, Callable[[str], Any]] = {
    types.NoneType: {"none": None}.__getitem__,
    bool: {"true": True, "false": False}.__getitem__,
    int: int,
    float: float,
}


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """A frozen dataclass made from a table, or a SpecError that names the place.

    Args:
        where: what a person would look for, such as "presets/dog.toml [method]".

    Raises:
        SpecError: an unknown or missing setting, a wrong type, or what the class itself refuses.
    """
    hints = get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise SpecError(f"{where}: unknown setting {key!r}.{_advice(key, fields)}")
    values = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _value(hints[name], table[name], f"{where}.{name}")
        elif not _has_default(field):
            raise SpecError(f"{where}.{name} is missing; expected {_words(hints[name])}.")
    try:
        return cls(**values)
    except SpecError as error:  # a range that only the class itself knows
        raise SpecError(f"{where}: {error}") from error


def table(obj: Any) -> dict[str, Any]:
    """The JSON-able table of a dataclass: `build(type(obj), table(obj), ...)` equals `obj`."""
    if not dataclasses.is_dataclass(obj) or isinstance(obj, type):
        raise ValueError(f"{obj!r} is not a dataclass instance")
    return {f.name: _plain(getattr(obj, f.name)) for f in dataclasses.fields(obj) if f.init}


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that a person who typed `word` most likely meant."""
    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def spelled(hint: Any, text: str) -> Any:
    """The value of a type that a person spelled in words; the text itself where it is none.

    That is what `build` then refuses, or takes where the type is a text.

    Args:
        hint: a scalar, a Literal of texts, or one of them or None.
    """
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for kind in (types.NoneType, bool, int, float):  # 1 stays an int where int is allowed
        if kind in kinds:
            with suppress(ValueError, KeyError):
                return _SPELLINGS[kind](text)
    return text


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; SpecError names the file and the line."""
    text = _text(path)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        line = re.search(r"at line (\d+)", str(error))
        spot = f"{path}, line {line[1]}" if line else str(path)
        reason = re.sub(r" \(at [^)]*\)$", "", str(error))
        raise SpecError(f"{spot}: not valid TOML ({reason}).") from error


def read_json(path: Path) -> dict[str, Any]:
    """The table of a JSON file; SpecError names the file and the line."""
    text = _text(path)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise SpecError(f"{path}, line {error.lineno}: not valid JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path}: not valid JSON ({error}).") from error
    if not isinstance(value, dict):
        raise SpecError(f"{path} holds {_shown(value)}; expected a table.")
    return value


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number that JSON knows")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpecError(f"{path} does not exist.") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not a text file in UTF-8.") from error


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _advice(word: str, allowed: Iterable[str]) -> str:
    names = sorted(allowed)
    close = nearest(word, names)
    if close is not None:
        return f" Did you mean {close!r}?"
    return f" Known: {', '.join(names)}." if names else ""


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return _json_value(value, where)
    if hint in _SCALARS:
        return _scalar(hint, value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise _refusal(hint, value, where)
        return build(hint, value, where)
    return _maker(hint)(hint, value, where)


def _maker(hint: Any) -> Callable[[Any, Any, str], Any]:
    origin = get_origin(hint)
    makers: dict[Any, Callable[[Any, Any, str], Any]] = {
        Literal: _choice,
        Union: _either,
        types.UnionType: _either,
        tuple: _sequence,
        dict: _mapping,
    }
    if origin is not None and origin not in makers and issubclass(origin, Mapping):
        origin = dict
    if origin not in makers:
        raise ValueError(f"a table cannot hold {hint!r}")
    return makers[origin]


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError as error:
            raise _refusal(hint, value, where) from error
    if type(value) is not hint:
        raise _refusal(hint, value, where)
    if hint is float and not math.isfinite(value):
        raise SpecError(f"{where} is {value}; expected a finite number.")
    return value


def _choice(hint: Any, value: Any, where: str) -> Any:
    for allowed in get_args(hint):
        if type(value) is type(allowed) and value == allowed:
            return value
    close = nearest(value, map(str, get_args(hint))) if isinstance(value, str) else None
    advice = f" Did you mean {close!r}?" if close else ""
    raise SpecError(f"{where} is {_shown(value)}; expected {_words(hint)}.{advice}")


def _either(hint: Any, value: Any, where: str) -> Any:
    arms = [arm for arm in get_args(hint) if arm is not types.NoneType]
    if value is None and types.NoneType in get_args(hint):
        return None
    if len(arms) == 1 and arms[0] not in _SCALARS:
        return _value(arms[0], value, where)
    for arm in sorted(arms, key=lambda arm: arm is float):  # 1 stays an int where int is allowed
        try:
            return _value(arm, value, where)
        except SpecError:
            continue
    raise _refusal(hint, value, where)


def _sequence(hint: Any, value: Any, where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _refusal(hint, value, where)
    kinds = get_args(hint)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    elif len(kinds) != len(value):
        raise _refusal(hint, value, where)
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(_value(kind, item, f"{where}[{index}]") for index, (kind, item) in pairs)


def _mapping(hint: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _refusal(hint, value, where)
    kind = get_args(hint)[1]
    return {key: _value(kind, item, f"{where}.{key}") for key, item in value.items()}


def _json_value(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return _mapping(dict[str, Any], value, where)
    if isinstance(value, list | tuple):
        return [_json_value(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if value is None or type(value) in (bool, int, str):
        return value
    return _scalar(float, value, where)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return table(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or type(value) in _SCALARS:
        return value
    raise ValueError(f"a table cannot hold {value!r}")


def _refusal(hint: Any, value: Any, where: str) -> SpecError:
    return SpecError(f"{where} is {_shown(value)}; expected {_words(hint)}.")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a table"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # one line stays one line


def _words(hint: Any) -> str:
    args = get_args(hint)
    if hint is Any:
        return "a value"
    if hint in _SCALARS:
        return str(hint.__name__)
    if get_origin(hint) is Literal:
        return " or ".join(repr(arg) for arg in args)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(arg) for arg in args if arg is not types.NoneType)
    if get_origin(hint) is tuple:
        kinds = dict.fromkeys(_words(arg) for arg in args if arg is not Ellipsis)
        count = "" if args[-1] is Ellipsis else f"{len(args)} "
        return f"a list of {count}{' and '.join(kinds)}"
    return "a table"
