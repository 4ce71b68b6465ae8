"""What the draft's second step amounts to: preset, backbone, budget, methods and their sizes."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sparse_peft import presets, tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.errors import UserError
from sparse_peft.methods import all_methods
from sparse_peft.methods.method import Plan
from sparse_peft.planning import rate, within
from sparse_peft.presets import AnyPreset, ClassesPreset, P, Preset, rated
from sparse_peft.report.marks import HUES
from sparse_peft.tasks.dreambooth.recipe import Shared, Training, TrainSettings
from sparse_peft.ui.classes import backbones as clips
from sparse_peft.ui.classes import counting
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft, Task
from sparse_peft.ui.desk.offers import offer
from sparse_peft.ui.estimates import dial as dials
from sparse_peft.ui.estimates.dial import Dial

PRESETS: dict[Task, tuple[str, ...]] = {
    "dreambooth": ("quick", "balanced", "best"),
    "fewshot": (
        "quick", "balanced", "best", "clip-lora", "so-paper", "so-code",
        "snell-8", "snell-16", "snell-32",
    ),
}  # fmt: skip
UNNAMED, ANY_TOKEN = "subject", "sks"  # stand for words that are not typed yet: time needs some


@dataclass(frozen=True)
class Chosen:
    """A draft with what follows from it."""

    draft: Draft
    preset: AnyPreset
    """as it comes, with the learning rates and settings that the person changed"""
    plain: AnyPreset
    """as it comes"""
    source: Source
    stop: int
    dial: Dial

    @property
    def budget(self) -> int:
        """Trainable values."""
        return self.dial.stops[self.stop]

    @property
    def steps(self) -> int:
        """Optimizer steps of each training."""
        return self.draft.steps or usual_steps(self.preset, self.draft)

    @property
    def taking_part(self) -> tuple[str, ...]:
        """The methods that Start would train, as they were ticked."""
        return tuple(name for name in self.draft.methods if takes_part(self, name))

    def rate(self, name: str) -> float:
        """A method's learning rate at this budget; it has one."""
        return self._rate(name, self.preset)

    def usual_rate(self, name: str) -> float:
        """The preset's as it comes, at this budget; it has one."""
        return self._rate(name, self.plain)

    def _rate(self, name: str, preset: AnyPreset) -> float:
        shapes = dials.shapes_of(self.source, preset.shared.targets).shapes
        return rate(name, preset, self.budget, shapes)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Test prompts."""
        return self.draft.prompts or PROMPTS


def takes_part(chosen: Chosen, name: str) -> bool:
    """Whether a method is ticked, can be trained, and fits the budget or may exceed it."""
    if name not in chosen.draft.methods or blocked(chosen, name) is not None:
        return False
    return chosen.dial.goes(name, chosen.stop) or name in chosen.draft.over


def blocked(chosen: Chosen, name: str) -> str | None:
    """Why a method cannot be trained at any budget; None if it can."""
    if name not in chosen.preset.methods:
        label = all_methods()[name].label
        return f"No learning rate for {label} in this preset. Give one under More settings."
    return chosen.dial.methods[name].error


def usual_steps(preset: AnyPreset, draft: Draft) -> int:
    """Optimizer steps of each training as the preset has them."""
    if isinstance(preset, ClassesPreset):
        return preset.training.steps(draft.classes.shots, counting.learned(draft.classes))
    return preset.training.steps


@cache
def ordered() -> tuple[str, ...]:
    """All methods, families in the order of their hues, LoRA first."""
    families = list(HUES)
    kinds = all_methods()
    return tuple(
        sorted(kinds, key=lambda n: (families.index(kinds[n].family), n != kinds[n].family, n))
    )


def family_of(draft: Draft) -> str | None:
    """The family of the draft's backbone, as far as it is known without fetching it."""
    source = source_of(draft)
    if source is not None:
        return source.family
    if draft.task == "fewshot":
        return clips.family_of(draft.backbone)
    known = offer(draft.backbone)
    return known.family if known else None


def source_of(draft: Draft) -> Source | None:
    """The draft's backbone if it is on this machine."""
    try:
        return sources.found(draft.backbone, draft.task)
    except UserError:  # a folder that has gone: the first step says so
        return None


def chosen(desk: Desk, draft: Draft | None = None) -> Chosen | None:
    """What the draft amounts to; None while its backbone is not on this machine.

    Raises:
        BackboneError: it is, and its files are damaged.
    """
    draft = desk.draft if draft is None else draft
    source = source_of(draft)
    if source is None:
        return None
    plain = presets.preset(draft.preset, draft.task, source.family)
    changed = with_changes(plain, draft)
    stop = dials.stop_of(plain.lora_ranks) if draft.stop is None else draft.stop
    steps = draft.steps or usual_steps(plain, draft)
    fields = {
        name: changed.methods[name].fields if name in changed.methods else {} for name in ordered()
    }
    counted = dials.dial(
        desk.home, source, plain.shared.targets, fields, Plan(steps, draft.seed), plain.lora_ranks
    )
    return Chosen(draft, changed, plain, source, stop, counted)


def with_changes(preset: P, draft: Draft) -> P:
    """The preset with the learning rates and settings that a person changed."""
    methods = dict(preset.methods)
    for name in ordered():
        ours = rated(methods.get(name), draft.lr.get(name))
        if ours is not None:
            methods[name] = replace(ours, fields=ours.fields | draft.fields.get(name, {}))
    return replace(preset, methods=methods)


def trainings(chosen: Chosen, names: tuple[str, ...]) -> tuple[TrainSettings, ...]:
    """Settings of one training of each at its size: what a probe times, and estimates ask for."""
    return tuple(_training(chosen, name) for name in names)


def _training(chosen: Chosen, name: str) -> TrainSettings:
    preset, draft = chosen.preset, chosen.draft
    assert isinstance(preset, Preset)
    shapes = dials.shapes_of(chosen.source, preset.shared.targets).shapes
    defaults: dict[str, Any] = tables.table(preset.training) | {"steps": chosen.steps}
    kind = all_methods()[name]
    method = tables.build(kind, preset.method(name).fields, kind.label)
    fitted, over = within(method, chosen.budget, shapes, allow_over=True)
    training = Training(lr=chosen.rate(name), seed=draft.seed, preset=preset.name, **defaults)
    return TrainSettings(
        shared(preset, draft, chosen.source.id), training, name, tables.table(fitted),
        chosen.budget, over,
    )  # fmt: skip


def shared(preset: Preset, draft: Draft, backbone: str) -> Shared:
    """What the runs would have in common."""
    return Shared(
        **vars(preset.shared), backbone=backbone, noun=draft.noun or UNNAMED,
        token=draft.token or ANY_TOKEN, prompts=draft.prompts or PROMPTS, seed=draft.seed,
    )  # fmt: skip


def untried(preset: Preset, draft: Draft) -> tuple[TrainSettings, ...]:
    """Trainings at the preset's own sizes, for a backbone whose shapes are not known yet."""
    made = []
    for name in draft.methods:
        if name in preset.methods:
            method = tables.build(all_methods()[name], preset.methods[name].fields, name)
            training = Training(
                lr=preset.methods[name].lr, seed=draft.seed, **vars(preset.training)
            )
            made.append(
                TrainSettings(shared(preset, draft, draft.backbone), training, name,
                              tables.table(method))
            )  # fmt: skip
    return tuple(made)
