"""What asking for a comparison once more means for both tasks: its recipe, its methods, a mend."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any, TypeVar

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.errors import BackboneError, RunError
from sparse_peft.methods.method import Shapes
from sparse_peft.planning import AnyPlan, PlannedRun, rate
from sparse_peft.planning.changes import changed_fields
from sparse_peft.planning.classes import PlannedClassRun
from sparse_peft.presets import CHANGED, AnyPreset
from sparse_peft.runs.run import RunDirectory
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Value
from sparse_peft.ui.estimates import dial as dials

T = TypeVar("T")
Run = TypeVar("Run", PlannedRun, PlannedClassRun)


def failed(desk: Desk, run_id: str) -> str:
    """The comparison of a training run of this person that failed.

    Raises:
        RunError: there is no such run here, or it did not fail.
    """
    found = mine.run(desk, run_id)
    if found.state != "failed" or found.kind != "train" or found.comparison is None:
        raise RunError(f"Run {found.id} did not fail in training; there is nothing to mend.")
    return found.comparison


def origin(plan: AnyPlan) -> tuple[Source, str]:
    """The backbone of a plan, and the name of the preset that it was made with before any change.

    Raises:
        BackboneError: the backbone has gone.
    """
    source = sources.found(plan.backbone, plan.task)
    if source is None:
        raise BackboneError(f"{plan.backbone} is not on this machine any more. Fetch it first.")
    return source, plan.preset.removesuffix(CHANGED)


def settings_of(desk: Desk, run: str, kind: type[T]) -> T:
    """The settings that a run was given."""
    spec = RunDirectory.of(desk.home, run).spec
    return tables.build(kind, spec.settings, f"run {run}")


def first_of(runs: Iterable[Run]) -> dict[str, Run]:
    """The first run of each method, in the order of the methods."""
    found: dict[str, Run] = {}
    for run in runs:
        found.setdefault(run.method, run)
    return found


def methods_laid(
    plan: AnyPlan,
    preset: AnyPreset,
    shapes: Shapes,
    first: Mapping[str, PlannedRun] | Mapping[str, PlannedClassRun],
    fields: Mapping[str, Mapping[str, Value]],
) -> dict[str, Any]:
    """The second step of a draft that asks for what a comparison did.

    The budget becomes the nearest stop of the scale.

    Args:
        first: of each method, the first of its repeats.
        fields: the settings that each was given.
    """
    changed = {
        name: changed_fields(name, had, plan.budget, preset, shapes)
        for name, had in fields.items()
        if name in preset.methods
    }
    scale = dials.scale(preset.lora_ranks, shapes)
    stop = nearest(scale, plan.budget)
    usual = {
        name: rate(name, preset, scale[stop], shapes) for name in first if name in preset.methods
    }
    rates = {name: run.training.lr for name, run in first.items()}
    return {
        "backbone": plan.backbone,
        "preset": preset.name,
        "stop": stop,
        "methods": tuple(first),
        "over": tuple(name for name, run in first.items() if run.over_budget),
        "fields": {name: own for name, own in changed.items() if own},
        "lr": {name: rate for name, rate in rates.items() if rate != usual.get(name)},
    }


def nearest(scale: Sequence[int], budget: int) -> int:
    """The stop that is nearest to a budget."""
    return min(range(len(scale)), key=lambda stop: abs(log(scale[stop] / budget)))


def part(kind: type[T], whole: object) -> T:
    """The part of a dataclass that one it inherits from has."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(whole, name) for name in names})
