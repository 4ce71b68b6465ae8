"""What a person typed, as the value that it is meant to be."""

from typing import get_args, get_type_hints

from sparse_peft.errors import SpecError
from sparse_peft.methods.method import MethodClass
from sparse_peft.ui.desk.draft import Value

LONGEST_NUMBER = 20  # of digits: more of them say no more


def whole(value: str | int | None, label: str, least: int, most: int) -> int | None:
    """A whole number that a person typed; None for an empty field.

    Raises:
        SpecError: it is none, or out of range.
    """
    text = str("" if value is None else value).strip()
    if not text:
        return None
    try:
        number = int(text.encode("ascii")) if len(text) <= LONGEST_NUMBER else most + 1
    except ValueError as error:
        raise SpecError(f"{label}: {text!r} is not a whole number.") from error
    if number < least:  # in the words of the command line
        raise SpecError(f"{label} is {number}; use {least} or more.")
    if number > most:
        raise SpecError(f"{label} is {text[:LONGEST_NUMBER]}; use at most {most:,}.")
    return number


def rate(value: str | float | None) -> float:
    """A learning rate.

    Raises:
        SpecError: it is no number above 0.
    """
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise SpecError(f"The learning rate is {str(value)[:40]!r}; use a number above 0.")
    return number


def setting(kind: MethodClass, name: str, value: Value) -> Value:
    """What a person typed as the type that the setting has; strict as a file's is."""
    hint = get_type_hints(kind)[name]
    allowed = [each for each in (get_args(hint) or (hint,)) if isinstance(each, type)]
    if not isinstance(value, str) or str in allowed:
        return value
    for each in (int, float):
        if each in allowed:
            try:
                return each(value.strip())
            except ValueError:
                continue
    return value
