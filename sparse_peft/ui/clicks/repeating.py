"""A comparison once more: back onto the desk as a draft, or one method with a lower rate."""

from dataclasses import replace

from sparse_peft import presets
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.subject import Subject
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.planning import Choices, ComparisonPlan
from sparse_peft.presets import CHANGED, MethodDefaults, Preset
from sparse_peft.tasks.dreambooth.recipe import SharedDefaults, TrainingDefaults, TrainSettings
from sparse_peft.ui.clicks import once_more
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk import row
from sparse_peft.ui.desk.desk import Desk


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
    first = once_more.first_of(plan.runs)
    shared, steps = plan.shared, plan.runs[0].training.steps
    fields = {
        name: once_more.settings_of(desk, run.run, TrainSettings).fields
        for name, run in first.items()
    }
    laid = once_more.methods_laid(plan, preset, shapes, first, fields)
    folder = desk.home / "data" / plan.subject
    subject = Subject.load(folder)
    row.put(desk, folder, subject.pictures, subject.noun, subject.token)
    desk.change(
        **laid,
        steps=None if steps == preset.training.steps else steps,
        train_seeds=train_seeds or len(plan.runs) // len(first),
        seed=shared.seed,
        prompts=() if shared.prompts == PROMPTS else shared.prompts,
    )


def halved(desk: Desk, run_id: str) -> tuple[str, Choices]:
    """A failed run's comparison, and its method alone at half the learning rate.

    All else is as it was, to the seeds: what the other methods did needs no second training, and
    both comparisons can be looked at side by side.

    Raises:
        RunError: there is no such run here, or it did not fail.
    """
    comparison = once_more.failed(desk, run_id)
    plan = mine.subject_plan(desk, comparison)
    source, preset = _recipe(plan)
    failed = next(run for run in plan.runs if run.run == run_id)
    settings = once_more.settings_of(desk, run_id, TrainSettings)
    recipe = replace(
        preset,
        name=preset.name + CHANGED,
        shared=once_more.part(SharedDefaults, plan.shared),
        training=replace(
            once_more.part(TrainingDefaults, failed.training), steps=preset.training.steps
        ),
        methods={failed.method: MethodDefaults(failed.training.lr / 2, settings.fields)},
    )
    return comparison, Choices(
        source=source,
        subject=Subject.load(desk.home / "data" / plan.subject),
        subject_id=plan.subject,
        preset=recipe,
        methods=(failed.method,),
        budget=plan.budget,
        steps=failed.training.steps,
        prompts=plan.shared.prompts,
        seed=plan.shared.seed,
        train_seeds=sum(run.method == failed.method for run in plan.runs),
        owner=desk.owner,
        allow_over=failed.over_budget,
    )


def _recipe(plan: ComparisonPlan) -> tuple[Source, Preset]:
    source, name = once_more.origin(plan)
    return source, presets.preset(name, "dreambooth", source.family)
