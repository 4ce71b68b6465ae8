"""A DreamBooth comparison: from what a person chose to the runs that will do it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_peft import tables
from sparse_peft.backbones import source as sources
from sparse_peft.backbones.source import Source, Task
from sparse_peft.data.subject import DATA_FILE, Subject
from sparse_peft.errors import SpecError
from sparse_peft.files import sha256
from sparse_peft.methods.method import Footprint, Plan, Shapes
from sparse_peft.planning.budget import (
    budget_within,
    check_methods,
    check_seed,
    check_sizes,
    rate,
    sized,
)
from sparse_peft.presets import Preset
from sparse_peft.runs.spec import ComparisonSpec, Input, RunSpec, new_id
from sparse_peft.tasks.dreambooth.recipe import Shared, Training, TrainSettings

SEED_STRIDE = 1000  # between the training seeds of one method
MOST_TRAIN_SEEDS = 100


@dataclass(frozen=True)
class Choices:
    """What a person chose for one DreamBooth comparison."""

    source: Source
    subject: Subject
    subject_id: str
    preset: Preset
    methods: tuple[str, ...]
    budget: int | None
    """trainable values; None takes the preset's"""
    steps: int | None
    """None takes the preset's"""
    prompts: tuple[str, ...]
    seed: int
    train_seeds: int
    owner: str = "local"
    allow_over: bool = False
    """whether a method that cannot go so low is taken at its smallest"""


@dataclass(frozen=True)
class PlannedRun:
    """A training run as it was planned, before anything was measured."""

    id: str
    """name within the comparison: waveft, or waveft-2 for its second training"""
    run: str
    method: str
    training: Training
    knob: str
    over_budget: bool
    footprint: Footprint
    preset_steps: int | None = None
    """steps that the preset itself has; none in a plan that was kept before they were"""


@dataclass(frozen=True)
class ComparisonPlan:
    """What a comparison's spec holds: enough to show it, to resume it and to repeat it."""

    task: Task
    backbone: str
    subject: str
    """id below data/"""
    budget: int
    preset: str
    shared: Shared
    prepare: str
    """id of the prepare run"""
    runs: tuple[PlannedRun, ...]

    @property
    def dataset(self) -> str:
        """Id of the pictures below data/."""
        return self.subject


def check(choices: Choices) -> None:
    """Return if the choices can be planned; nothing is read but the backbone's headers.

    Raises:
        SpecError: an impossible budget, an unknown method, too few steps.
    """
    check_methods(choices.methods)
    if not 1 <= choices.train_seeds <= MOST_TRAIN_SEEDS:
        raise SpecError(f"--train-seeds is {choices.train_seeds}; use 1 to {MOST_TRAIN_SEEDS}.")
    if choices.steps is not None and choices.steps < 1:
        raise SpecError(f"--steps is {choices.steps}; use 1 or more.")
    check_seed(choices.seed)
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    budget = budget_within(choices.budget, choices.preset, shapes, choices.source.title)
    if not choices.allow_over:
        check_sizes(choices.methods, choices.preset, budget, shapes, choices.seed)


def plan(choices: Choices, home: Path) -> tuple[ComparisonSpec, list[RunSpec], ComparisonPlan]:
    """The comparison and its runs, ready for the store.

    Args:
        home: where the subject has been saved.

    Raises:
        SpecError: as in `check`.
    """
    check(choices)
    shapes = sources.shapes(choices.source, choices.preset.shared.targets)
    budget = budget_within(choices.budget, choices.preset, shapes, choices.source.title)
    shared = _shared(choices)
    comparison, prepare = new_id(), new_id()
    planned, settings = [], []
    for number, name in enumerate(choices.methods * choices.train_seeds):
        run, train = _train(choices, name, number // len(choices.methods), budget, shapes, shared)
        planned.append(run)
        settings.append(train)
    content = ComparisonPlan(
        "dreambooth", choices.source.id, choices.subject_id, budget, choices.preset.name, shared,
        prepare, tuple(planned),
    )  # fmt: skip
    inputs = subject_inputs(home, choices.subject_id)
    owner = choices.owner
    specs = [RunSpec(prepare, "prepare", owner, comparison, tables.table(shared), inputs)]
    specs += [
        RunSpec(run.run, "train", owner, comparison, tables.table(train), (), (prepare,))
        for run, train in zip(planned, settings, strict=True)
    ]
    return ComparisonSpec(comparison, owner, tables.table(content)), specs, content


def subject_inputs(home: Path, subject_id: str) -> tuple[Input, ...]:
    """The files of a saved subject, as inputs of a run."""
    folder = home / "data" / subject_id
    subject = Subject.load(folder)
    names = [DATA_FILE, *(picture.file for picture in subject.pictures)]
    return tuple(
        Input(name, f"data/{subject_id}/{name}", sha256(folder / name))
        for name in dict.fromkeys(names)
    )


def _shared(choices: Choices) -> Shared:
    return Shared(
        **vars(choices.preset.shared),
        backbone=choices.source.id,
        noun=choices.subject.noun,
        token=choices.subject.token,
        prompts=choices.prompts,
        seed=choices.seed,
    )


def _train(
    choices: Choices, name: str, repeat: int, budget: int, shapes: Shapes, shared: Shared
) -> tuple[PlannedRun, TrainSettings]:
    preset = choices.preset
    method, over = sized(name, preset, budget, shapes, allow_over=choices.allow_over)
    seed = choices.seed + SEED_STRIDE * repeat
    defaults: dict[str, Any] = tables.table(preset.training)
    if choices.steps is not None:
        defaults["steps"] = choices.steps
    training = Training(
        lr=rate(name, preset, budget, shapes), seed=seed, preset=preset.name, **defaults
    )
    footprint = method.footprint(shapes, Plan(training.steps, seed))
    label = name if repeat == 0 else f"{name}-{repeat + 1}"
    run = PlannedRun(
        label, new_id(), name, training, method.knob(shapes), over, footprint,
        preset_steps=preset.training.steps,
    )  # fmt: skip
    # The order of the data differs between repeats too: a repeat is a whole second training.
    again = tables.build(Shared, tables.table(shared) | {"seed": seed}, "shared")
    fields = tables.table(method)
    return run, TrainSettings(again, training, name, fields, budget, over)
