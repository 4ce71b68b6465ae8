"""A few-shot comparison once more: back onto the desk, or one method with a lower rate."""

from dataclasses import replace

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import BackboneError, RunError
from sparse_peft.planning.classes import ClassesChoices, ClassesPlan, PlannedClassRun
from sparse_peft.presets import CHANGED, ClassesPreset, MethodDefaults
from sparse_peft.runs.run import RunDirectory
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ClassesDefaults, ClassTrainSettings
from sparse_peft.ui import dial as dials
from sparse_peft.ui import mine
from sparse_peft.ui.classes import boxes, folders
from sparse_peft.ui.desk import Desk
from sparse_peft.ui.repeating import changed_fields, nearest, part


def lay_out(desk: Desk, comparison: str, seeds: int | None = None) -> None:
    """Put a comparison's classes and settings onto the desk, in place of what is there.

    The budget becomes the nearest stop of the scale.

    Args:
        seeds: how many draws there are to be; None: as many as there were.

    Raises:
        RunError: there is none of that id here.
        SpecError: its pictures stay in a folder of their own.
    """
    plan = mine.classes_plan(desk, comparison)
    source, preset = _recipe(plan)
    shapes = sources.shapes(source, preset.shared.targets)
    scale = dials.scale(preset.lora_ranks, shapes)
    shared = plan.shared
    first = {run.method: run for run in reversed(plan.runs)}  # of its seeds
    methods = tuple(dict.fromkeys(run.method for run in plan.runs))
    folders.put_kept(desk, desk.home / "data" / plan.dataset)
    template = "" if shared.template == preset.shared.template else shared.template
    probe = LINEAR_PROBE in plan.references
    boxes.change(
        desk,
        lambda form: replace(form, shots=shared.shots, template=template, linear_probe=probe),
    )
    trained = {name: _settings(desk, first[name]) for name in methods if name in preset.methods}
    fields = {
        name: changed_fields(name, settings.fields, plan.budget, preset, shapes)
        for name, settings in trained.items()
    }
    rates = {name: run.training.lr for name, run in first.items()}
    desk.change(
        backbone=plan.backbone,
        preset=preset.name,
        stop=nearest(scale, plan.budget),
        methods=methods,
        over=tuple(name for name in methods if first[name].over_budget),
        steps=_steps(plan, preset),
        train_seeds=seeds or len(shared.seeds),
        seed=shared.seeds[0],
        fields={name: changed for name, changed in fields.items() if changed},
        lr={name: rate for name, rate in rates.items() if rate != _usual_rate(preset, name)},
    )


def halved(desk: Desk, run_id: str) -> tuple[str, ClassesChoices]:
    """A failed run's comparison, and its method alone at half the learning rate, drawn as it was.

    Raises:
        RunError: there is no such run here, or it did not fail.
    """
    found = mine.run(desk, run_id)
    if found.state != "failed" or found.kind != "train" or found.comparison is None:
        raise RunError(f"Run {found.id} did not fail in training; there is nothing to mend.")
    plan = mine.classes_plan(desk, found.comparison)
    source, preset = _recipe(plan)
    failed = next(run for run in plan.runs if run.run == run_id)
    settings = _settings(desk, failed)
    recipe = replace(
        preset,
        name=preset.name + CHANGED,
        shared=part(ClassesDefaults, plan.shared),
        methods={failed.method: MethodDefaults(failed.training.lr / 2, settings.fields)},
    )
    return found.comparison, ClassesChoices(
        source=source,
        labelled=Labelled.load(desk.home / "data" / plan.dataset),
        dataset_id=plan.dataset,
        preset=recipe,
        methods=(failed.method,),
        shots=plan.shared.shots,
        budget=plan.budget,
        steps=failed.training.steps,
        seed=plan.shared.seeds[0],
        seeds=len(plan.shared.seeds),
        base_to_new=bool(plan.shared.new_classes),
        owner=desk.owner,
        allow_over=failed.over_budget,
    )


def _recipe(plan: ClassesPlan) -> tuple[Source, ClassesPreset]:
    """The backbone and the preset that a plan was made with, before any change."""
    source = sources.found(plan.backbone, "fewshot")
    if source is None:
        raise BackboneError(f"{plan.backbone} is not on this machine any more. Fetch it first.")
    return source, presets.preset(plan.preset.removesuffix(CHANGED), "fewshot", source.family)


def _settings(desk: Desk, run: PlannedClassRun) -> ClassTrainSettings:
    spec = RunDirectory.of(desk.home, run.run).spec
    return tables.build(ClassTrainSettings, spec.settings, f"run {run.run}")


def _steps(plan: ClassesPlan, preset: ClassesPreset) -> int | None:
    usual = preset.training.steps(plan.shared.shots)
    asked = plan.runs[0].training.steps if plan.runs else usual
    return None if asked == usual else asked


def _usual_rate(preset: ClassesPreset, name: str) -> float | None:
    return preset.methods[name].lr if name in preset.methods else None
