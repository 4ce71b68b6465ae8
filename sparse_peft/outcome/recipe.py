"""The words of a command line that name a comparison's preset, with what was changed of it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.errors import UserError
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Shapes
from sparse_peft.planning import AnyPlan, PlannedRun, rate, sized
from sparse_peft.planning.changes import Value, changed_fields, sized_by
from sparse_peft.planning.classes import PlannedClassRun
from sparse_peft.presets import CHANGED, SUFFIX, AnyPreset, ClassesPreset, MethodDefaults
from sparse_peft.runs.run import RunDirectory

A_FILE = "FILE"  # of one's own, whose place a plan does not tell

AnyRun = PlannedRun | PlannedClassRun
Words = tuple[str, ...]


def preset_words(home: Path, plan: AnyPlan, methods: Sequence[str], dataset: str = "") -> Words:
    """`--preset`, with a `--set` for each setting in which these methods differ from it.

    Where a preset of the project with such settings does not give the same, it is a file.

    Args:
        dataset: the name of a published set, for which a preset may differ.
    """
    if not plan.preset.endswith(CHANGED):
        return "--preset", plan.preset
    changes = _changes(home, plan, dataset)
    if changes is None:
        return "--preset", A_FILE
    settings = (word for name in methods for word in changes.get(name, ()))
    return "--preset", plan.preset.removesuffix(CHANGED), *settings


@lru_cache(maxsize=64)  # a page asks every second, and methods are sized for it
def _changes(home: Path, plan: AnyPlan, dataset: str) -> dict[str, Words] | None:
    """For each method the words that change it; None where words cannot."""
    name = plan.preset.removesuffix(CHANGED)
    if name.endswith(SUFFIX):
        return None
    runs: Sequence[AnyRun] = plan.runs
    first = {run.method: run for run in reversed(runs)}
    try:
        source = sources.found(plan.backbone, plan.task)
        if source is None:
            return None
        preset = presets.preset(name, plan.task, source.family)
        if isinstance(preset, ClassesPreset):
            preset = preset.of(dataset)
        shapes = sources.shapes(source, plan.shared.targets)
        found = {
            method: _changed(_fields(home, run), run, plan.budget, preset, shapes)
            for method, run in first.items()
        }
    except UserError:  # the backbone or the preset has gone, or a setting is of another version
        return None
    return None if None in found.values() else {n: w for n, w in found.items() if w is not None}


def _fields(home: Path, run: AnyRun) -> dict[str, Value]:
    """The settings that a run was given, with its size."""
    given = RunDirectory.of(home, run.run).spec.settings["fields"]
    return tables.table(tables.build(method_named(run.method), given, f"run {run.run}"))


def _changed(
    had: dict[str, Value],
    run: AnyRun,
    budget: int,
    preset: AnyPreset,
    shapes: Shapes,
) -> Words | None:
    """The words that make a preset's method what this run was given; None where they do not."""
    name, lr = run.method, run.training.lr
    before = preset.methods.get(name)
    own = before.fields if before else {}
    rated = replace(preset, methods=preset.methods | {name: MethodDefaults(lr, own)})
    changed = changed_fields(name, had, budget, rated, shapes)
    after = replace(rated, methods=rated.methods | {name: MethodDefaults(lr, own | changed)})
    method, over = sized(name, after, budget, shapes, allow_over=True)
    if tables.table(method) != had or over != run.over_budget:
        return None
    if changed.keys() & set(sized_by(method, shapes)):
        return None  # which the command line leaves to the budget
    usual = before and rate(name, preset, budget, shapes)
    typed: dict[str, Value] = changed if lr == usual else {"lr": lr, **changed}
    given = (f"{name}.{field}={_spelled(value)}" for field, value in typed.items())
    return tuple(word for setting in given for word in ("--set", setting))


def _spelled(value: Value) -> str:
    """As `tables.spelled` reads it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)
