"""The trainings that a draft of classes amounts to: what estimates are asked for."""

from sparse_peft import tables
from sparse_peft.methods import method_named
from sparse_peft.planning import within
from sparse_peft.planning.classes import class_training
from sparse_peft.presets import ClassesPreset
from sparse_peft.tasks.fewshot.recipe import Classes, ClassTraining, ClassTrainSettings
from sparse_peft.ui.classes import counting
from sparse_peft.ui.classes.form import ClassForm
from sparse_peft.ui.estimates import dial as dials
from sparse_peft.ui.estimates.chosen import Chosen


def training(chosen: Chosen, name: str) -> ClassTrainSettings:
    """Settings of one training of a method at its size, on the first draw."""
    preset, draft = chosen.preset, chosen.draft
    assert isinstance(preset, ClassesPreset)
    shapes = dials.shapes_of(chosen.source, preset.shared.targets).shapes
    fields = preset.method(name).fields
    method = tables.build(method_named(name), fields, f"preset {preset.name}")
    fitted, over = within(method, chosen.budget, shapes, allow_over=True)
    shots, pictures = draft.classes.shots, counting.learned(draft.classes)
    once = class_training(preset, chosen.rate(name), shots, draft.steps, draft.seed, pictures)
    return ClassTrainSettings(
        shared(preset, draft.classes, chosen.source.id, draft.seed), once, name,
        tables.table(fitted), chosen.budget, over,
    )  # fmt: skip


def shared(preset: ClassesPreset, form: ClassForm, backbone: str, seed: int) -> Classes:
    """What the runs would have in common; classes without a name count too."""
    boxes = counting.filled(form) or form.boxes
    names = tuple(box.name or counting.called(form, box) for box in boxes)
    return Classes(
        **vars(preset.shared), backbone=backbone, classes=names,
        labels=tuple(range(len(names))), shots=form.shots, seeds=(seed,),
    )  # fmt: skip


def looked_at(form: ClassForm, once: ClassTraining) -> int:
    """Held-out pictures that a training looks at, on the way and at its end."""
    tested = sum(counting.share(box, form.shots).tested for box in form.boxes)
    return max(1, tested * -(-once.steps // once.sample_every))
