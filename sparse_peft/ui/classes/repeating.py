"""A few-shot comparison once more: back onto the desk, or one method with a lower rate."""

from dataclasses import replace

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.labelled import Labelled
from sparse_peft.errors import SpecError
from sparse_peft.planning.classes import ClassesChoices, ClassesPlan
from sparse_peft.presets import CHANGED, ClassesPreset, MethodDefaults
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ClassesDefaults, ClassTrainSettings
from sparse_peft.ui.classes import boxes, folders
from sparse_peft.ui.clicks import once_more
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk.desk import Desk


def lay_out(desk: Desk, comparison: str, seeds: int | None = None) -> None:
    """Put a comparison's classes and settings onto the desk, in place of what is there.

    The budget becomes the nearest stop of the scale.

    Args:
        seeds: how many draws there are to be; None: as many as there were.

    Raises:
        RunError: there is none of that id here.
        SpecError: its pictures stay in a folder of their own, or all of them were learned from.
    """
    plan = mine.classes_plan(desk, comparison)
    shots = plan.shared.shots
    if shots is None:
        raise SpecError(
            f"{plan.title} was learned from as a whole; the page learns from a number of pictures"
            " of each class. Use the command line for this comparison."
        )
    source, preset = _recipe(plan)
    shapes = sources.shapes(source, preset.shared.targets)
    shared = plan.shared
    first = once_more.first_of(plan.runs)
    fields = {
        name: once_more.settings_of(desk, run.run, ClassTrainSettings).fields
        for name, run in first.items()
    }
    laid = once_more.methods_laid(plan, preset, shapes, first, fields)
    folders.put_kept(desk, desk.home / "data" / plan.dataset)
    boxes.change(
        desk,
        lambda form: replace(
            form,
            shots=shots,
            template="" if shared.template == preset.shared.template else shared.template,
            linear_probe=LINEAR_PROBE in plan.references,
            base_to_new=bool(shared.new_classes),
        ),
    )
    desk.change(
        **laid,
        steps=_steps(plan, preset),
        train_seeds=seeds or len(shared.seeds),
        seed=shared.seeds[0],
    )


def halved(desk: Desk, run_id: str) -> tuple[str, ClassesChoices]:
    """A failed run's comparison, and its method alone at half the learning rate, drawn as it was.

    Raises:
        RunError: there is no such run here, or it did not fail.
    """
    comparison = once_more.failed(desk, run_id)
    plan = mine.classes_plan(desk, comparison)
    source, preset = _recipe(plan)
    failed = next(run for run in plan.runs if run.run == run_id)
    settings = once_more.settings_of(desk, run_id, ClassTrainSettings)
    recipe = replace(
        preset.of(plan.title),
        name=preset.name + CHANGED,
        shared=once_more.part(ClassesDefaults, plan.shared),
        methods={failed.method: MethodDefaults(failed.training.lr / 2, settings.fields)},
    )
    return comparison, ClassesChoices(
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
        evaluate=plan.shared.evaluate,
        owner=desk.owner,
        allow_over=failed.over_budget,
    )


def _recipe(plan: ClassesPlan) -> tuple[Source, ClassesPreset]:
    source, name = once_more.origin(plan)
    return source, presets.preset(name, "fewshot", source.family)


def _steps(plan: ClassesPlan, preset: ClassesPreset) -> int | None:
    asked, shots = plan.runs[0].training.steps if plan.runs else None, plan.shared.shots
    if shots is None:
        return asked
    usual = preset.training.steps(shots, shots * len(plan.shared.classes))
    return None if asked == usual else asked
