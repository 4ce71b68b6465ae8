"""`--set METHOD.FIELD=VALUE`: settings of methods as typed, in place of the preset's."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_type_hints

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.errors import SpecError
from sparse_peft.methods import method_named
from sparse_peft.methods.fields import settings
from sparse_peft.methods.method import MethodClass, Shapes
from sparse_peft.planning.changes import sized_by
from sparse_peft.planning.classes import REFERENCES
from sparse_peft.presets import AnyPreset, MethodDefaults, P, changed

LR = "lr"  # as in a preset: beside a method's own fields, not among them
FORM = re.compile(r"\s*(\w+)\.(\w+)\s*=\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class Typed:
    """One setting as a person typed it."""

    method: str
    field: str
    text: str

    def __str__(self) -> str:
        return f"--set {self.method}.{self.field}={self.text}"


def typed(text: str) -> Typed:
    """The method, the field and the value that a text names."""
    found = FORM.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not METHOD.FIELD=VALUE, such as waveft.lr=3e-3"
        )
    return Typed(*found.groups())


def applied(preset: P, given: Sequence[Typed], methods: Sequence[str], source: Source) -> P:
    """The preset with what was typed in place of what it says; its name tells that it was changed.

    Args:
        methods: those that are compared.

    Raises:
        SpecError: an unknown method or field, one that is not compared or that the budget sets, or
            a value that the method does not take.
    """
    if not given:
        return preset
    _check_methods(given, methods)
    shapes, made = sources.shapes(source, preset.shared.targets), {}
    for name in dict.fromkeys(one.method for one in given):
        own = [one for one in given if one.method == name]
        made[name] = _defaults(method_named(name), own, preset, shapes)
    return changed(preset, made)


def _check_methods(given: Sequence[Typed], methods: Sequence[str]) -> None:
    """Refuse a setting of what is no method or is not compared, and one that is given twice."""
    places = [(one.method, one.field) for one in given]
    for one in given:
        if one.method in REFERENCES:
            raise SpecError(f"{one}: {one.method} is a reference; it has no settings.")
        try:
            method_named(one.method)
        except SpecError as error:
            raise SpecError(f"{one}: {error}") from error
        if one.method not in methods:
            raise SpecError(
                f"{one}: {one.method} is not compared. Add it to --methods, which names "
                f"{', '.join(methods)}, or leave this out."
            )
        if places.count((one.method, one.field)) > 1:
            raise SpecError(f"--set names {one.method}.{one.field} twice; name each once.")


def _defaults(
    kind: MethodClass, given: Sequence[Typed], preset: AnyPreset, shapes: Shapes
) -> MethodDefaults:
    """What the preset says of a method, with what was typed."""
    name, before = kind.name, preset.methods.get(kind.name)
    own = before.fields if before else {}
    usual = tables.build(kind, own, f"preset {preset.name} [methods.{name}.fields]")
    by_budget = sized_by(usual, shapes)
    for one in given:
        _check_field(one, kind, by_budget)
    hints = get_type_hints(kind) | {LR: float}
    values = {one.field: tables.spelled(hints[one.field], one.text) for one in given}
    rate = {LR: values.pop(LR)} if LR in values else {}
    after = tables.build(kind, own | values, f"--set {name}")
    ours = tables.build(MethodDefaults, rate, f"--set {name}") if rate else preset.method(name)
    return replace(ours, fields=own if after == usual else own | values)


def _check_field(one: Typed, kind: MethodClass, by_budget: Sequence[str]) -> None:
    """Refuse what the method does not have, and what follows from the budget."""
    known = [LR, *(each.name for each in settings(kind) if each.name not in by_budget)]
    if one.field in by_budget:
        raise SpecError(
            f"{one}: --budget decides {one.field} of {one.method}. Leave this out, and choose the "
            "budget."
        )
    if one.field not in known:
        guess = tables.nearest(one.field, known)
        hint = f"Did you mean {guess!r}? " if guess else ""
        raise SpecError(
            f"{one}: {one.method} has no setting {one.field!r}. {hint}Known: {', '.join(known)}."
        )
