"""A comparison once more: back onto the desk as a draft, or one method with a lower rate."""

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from math import log
from typing import TypeVar

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.prompts import PROMPTS
from sparse_peft.data.subject import Subject
from sparse_peft.errors import BackboneError, RunError
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Shapes
from sparse_peft.planning import (
    Choices,
    ComparisonPlan,
    PlannedRun,
    sized,
)
from sparse_peft.presets import CHANGED, AnyPreset, MethodDefaults, Preset
from sparse_peft.runs.run import RunDirectory
from sparse_peft.tasks.recipe import SharedDefaults, TrainingDefaults, TrainSettings
from sparse_peft.ui import dial as dials
from sparse_peft.ui import mine, row
from sparse_peft.ui.desk import Desk
from sparse_peft.ui.draft import Value

T = TypeVar("T")


def lay_out(desk: Desk, comparison: str, train_seeds: int | None = None) -> None:
    """Put a comparison's pictures and settings onto the desk, in place of what is there.

    The budget becomes the nearest stop of the scale.

    Args:
        train_seeds: how often each method is to be trained; None: as often as it was.

    Raises:
        RunError: there is none of that id here.
    """
    plan = mine.subject_plan(desk, comparison)
    source, preset = _recipe(plan)
    shapes = sources.shapes(source, preset.shared.targets)
    scale = dials.scale(preset.lora_ranks, shapes)
    first = {run.method: run for run in reversed(plan.runs)}  # of its repeats
    methods = tuple(dict.fromkeys(run.method for run in plan.runs))
    shared, steps = plan.shared, plan.runs[0].training.steps
    fields = {
        name: changed_fields(name, _settings(desk, first[name]).fields, plan.budget, preset, shapes)
        for name in methods
    }
    rates = {name: first[name].training.lr for name in methods}
    folder = desk.home / "data" / plan.subject
    subject = Subject.load(folder)
    row.put(desk, folder, subject.pictures, subject.noun, subject.token)
    desk.change(
        backbone=plan.backbone,
        preset=preset.name,
        stop=nearest(scale, plan.budget),
        methods=methods,
        over=tuple(name for name in methods if first[name].over_budget),
        steps=None if steps == preset.training.steps else steps,
        train_seeds=train_seeds or len(plan.runs) // len(methods),
        seed=shared.seed,
        prompts=() if shared.prompts == PROMPTS else shared.prompts,
        fields={name: changed for name, changed in fields.items() if changed},
        lr={name: rate for name, rate in rates.items() if rate != preset.method(name).lr},
    )


def nearest(scale: tuple[int, ...], budget: int) -> int:
    """The stop that is nearest to a budget."""
    return min(range(len(scale)), key=lambda stop: abs(log(scale[stop] / budget)))


def halved(desk: Desk, run_id: str) -> tuple[str, Choices]:
    """A failed run's comparison, and its method alone at half the learning rate.

    All else is as it was, to the seeds: what the other methods did needs no second training, and
    both comparisons can be looked at side by side.

    Raises:
        RunError: there is no such run here, or it did not fail.
    """
    found = mine.run(desk, run_id)
    if found.state != "failed" or found.kind != "train" or found.comparison is None:
        raise RunError(f"Run {found.id} did not fail in training; there is nothing to mend.")
    plan = mine.subject_plan(desk, found.comparison)
    source, preset = _recipe(plan)
    failed = next(run for run in plan.runs if run.run == run_id)
    settings = _settings(desk, failed)
    recipe = replace(
        preset,
        name=preset.name + CHANGED,
        shared=part(SharedDefaults, plan.shared),
        training=part(TrainingDefaults, failed.training),
        methods={failed.method: MethodDefaults(failed.training.lr / 2, settings.fields)},
    )
    return found.comparison, Choices(
        source=source,
        subject=Subject.load(desk.home / "data" / plan.subject),
        subject_id=plan.subject,
        preset=recipe,
        methods=(failed.method,),
        budget=plan.budget,
        steps=None,
        prompts=plan.shared.prompts,
        seed=plan.shared.seed,
        train_seeds=sum(run.method == failed.method for run in plan.runs),
        owner=desk.owner,
        allow_over=failed.over_budget,
    )


def _recipe(plan: ComparisonPlan) -> tuple[Source, Preset]:
    """The backbone and the preset that a plan was made with, before any change."""
    source = sources.found(plan.backbone)
    if source is None:
        raise BackboneError(f"{plan.backbone} is not on this machine any more. Fetch it first.")
    return source, presets.preset(plan.preset.removesuffix(CHANGED), "dreambooth", source.family)


def _settings(desk: Desk, run: PlannedRun) -> TrainSettings:
    spec = RunDirectory.of(desk.home, run.run).spec
    return tables.build(TrainSettings, spec.settings, f"run {run.run}")


def changed_fields(
    name: str, had: Mapping[str, Value], budget: int, preset: AnyPreset, shapes: Shapes
) -> dict[str, Value]:
    """A method's settings that are neither the preset's nor follow from the budget."""
    usual, _ = sized(name, preset, budget, shapes, allow_over=True)
    changed = {key: value for key, value in had.items() if tables.table(usual)[key] != value}
    for key in list(changed):
        rest = {other: value for other, value in changed.items() if other != key}
        fields = preset.method(name).fields | rest
        method = tables.build(method_named(name), fields, name)
        if method.budget_range(shapes) and tables.table(method.fit(budget, shapes)) == had:
            changed = rest
    return changed


def part(kind: type[T], whole: object) -> T:
    """The part of a dataclass that one it inherits from has."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(whole, name) for name in names})
