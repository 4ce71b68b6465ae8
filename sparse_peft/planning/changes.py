"""A method's settings beside those of its preset: what the budget sets, and what was changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sparse_peft import tables
from sparse_peft.methods import method_named
from sparse_peft.methods.method import Method, Shapes
from sparse_peft.planning.budget import budget_scale, sized, within
from sparse_peft.planning.kept import AnyPlan, same
from sparse_peft.presets import AnyPreset
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec

Value = int | float | str | bool | None


def sized_by(method: Method, shapes: Shapes) -> tuple[str, ...]:
    """The fields that the budget sets: those that differ from one end of its scale to the other."""
    scale = budget_scale(shapes)
    least, most = (
        within(method, budget, shapes, allow_over=True)[0] for budget in (scale[0], scale[-1])
    )
    return differing(least, most)


def differing(one: Method, other: Method) -> tuple[str, ...]:
    """The fields in which two of a kind differ."""
    first, second = tables.table(one), tables.table(other)
    return tuple(field for field in first if first[field] != second[field])


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
        sized_again, _ = within(method, budget, shapes, allow_over=True)
        if tables.table(sized_again) == had:
            changed = rest
    return changed


def repeats(home: Path, before: AnyPlan, plan: AnyPlan, runs: Sequence[RunSpec]) -> bool:
    """Whether a plan and its runs ask for what a comparison of this home was submitted for.

    The settings of the methods stand in the runs alone, so plans may be alike where these are not.
    """
    if not same(before, plan):
        return False
    given = {spec.id: spec for spec in runs}
    had = [RunDirectory.of(home, run.run).spec for run in before.runs]
    return list(map(_method, had)) == [_method(given[run.run]) for run in plan.runs]


def _method(run: RunSpec) -> Method:
    """As a run was given it; a field that it was not given then is as usual."""
    kind = method_named(run.settings["method"])
    return tables.build(kind, run.settings["fields"], f"run {run.id}")
